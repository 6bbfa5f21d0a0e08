"""Checks that all detectors with masks share."""

from mmdet.models import DiceLoss
from mmdet.utils import InstanceList
from torch import nn

from .losses.ranking_loss import RankingLoss


def check_mask_loss(loss_cls: RankingLoss, loss_mask: nn.Module) -> None:
    """Check that a ranking loss can use a loss of mask logits.

    Args:
        loss_cls (RankingLoss): The ranking loss.
        loss_mask (nn.Module): The mask loss.

    Raises:
        ValueError: If the mask loss is not ``DiceLoss`` of sigmoids, or has a weight although the
            ranking loss balances masks.
    """
    is_dice = isinstance(loss_mask, DiceLoss)
    if not is_dice or not (loss_mask.activate and loss_mask.use_sigmoid):
        got = type(loss_mask).__name__
        if is_dice:
            got += f' with {"use_sigmoid" if loss_mask.activate else "activate"}=False'
        raise ValueError(
            f'{type(loss_cls).__name__} needs one loss in [0, 1] per mask: set '
            "loss_mask=dict(_delete_=True, type='DiceLoss'), with activate and use_sigmoid True, "
            f'got {got}'
        )
    check_mask_weight(loss_cls, loss_mask.loss_weight, 'loss_mask.loss_weight')


def check_mask_weight(loss_cls: RankingLoss, weight: float, key: str) -> None:
    """Check that the weight of a mask loss is 1 if the ranking loss balances masks.

    Args:
        loss_cls (RankingLoss): The ranking loss.
        weight (float): The weight of the mask loss.
        key (str): Its config key, for the message.

    Raises:
        ValueError: If it is not.
    """
    if loss_cls.balances and weight != 1:
        raise ValueError(
            f'{type(loss_cls).__name__} balances masks with the classification: leave {key} at 1, '
            f'got {weight}. loss_cls.loss_weight scales all losses'
        )


def check_masks(batch_gt_instances: InstanceList) -> None:
    """Check that the objects of a batch have masks.

    Args:
        batch_gt_instances (list[InstanceData]): Objects of each image.

    Raises:
        ValueError: If an image has no masks.
    """
    if not all('masks' in objects for objects in batch_gt_instances):
        raise ValueError(
            'the training images have no masks: set with_mask=True in LoadAnnotations of the '
            'training pipeline'
        )
