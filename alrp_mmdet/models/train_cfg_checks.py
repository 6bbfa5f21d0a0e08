"""Checks that the train_cfg of a model suits a ranking, before the model is built."""

import inspect
import math

from mmdet.models import PAAHead
from mmdet.models.task_modules import PseudoSampler
from mmdet.registry import MODELS, TASK_UTILS

from ..config.file import ConfigError
from ..config.types import is_known_code, resolve_type, type_name, typed_nodes
from .losses import aLRPLoss
from .ranking_head import RankingHeadMixin


def check_train_cfg(model: dict) -> list[str]:
    """Check that no sampler leaves out candidates of a head that ranks, and none is weighted.

    The configs of MMDetection's two-stage detectors sample 256 anchors and 512 RoIs of each image.
    A ranking of so few negatives is another loss, and nothing in the log would tell. Nor would it
    tell that a ranking has no weights, so that ``pos_weight`` has no effect.

    Args:
        model (dict): The config of a model.

    Returns:
        list[str]: Warnings: ``tau`` of ``aLRPLoss`` differs from the IoU of a positive.

    Raises:
        ConfigError: If a sampler leaves out candidates or positives are weighted. Names the key.
    """
    warnings = []
    for node in typed_nodes(model):
        settings = dict.get(node, 'train_cfg') or {}
        bbox_head, rpn_head = dict.get(node, 'bbox_head'), dict.get(node, 'rpn_head')
        if _ranks(bbox_head):
            warnings += _check('train_cfg', settings, bbox_head)
        if _ranks(rpn_head):
            warnings += _check('train_cfg.rpn', settings.get('rpn') or {}, rpn_head)
        heads = _listed((dict.get(node, 'roi_head') or {}).get('bbox_head'))
        stages = _listed(settings.get('rcnn')) if any(map(_ranks, heads)) else []
        test_settings = dict.get(node, 'test_cfg') or {}
        proposals = settings.get('rpn_proposal') or test_settings.get('rpn') or {}
        # Objects are added to the proposals. We expect no more objects than proposals.
        most = 2 * proposals.get('max_per_img', math.inf)
        for number, stage in enumerate(stages):
            index = f'.{number}' if len(stages) > 1 else ''
            head = heads[min(number, len(heads) - 1)]
            warnings += _check(f'train_cfg.rcnn{index}', stage, head, most)
    return warnings


def _ranks(head: object) -> bool:
    kind = resolve_type(head, MODELS) if isinstance(head, dict) else None
    return isinstance(kind, type) and issubclass(kind, RankingHeadMixin)


def _check(key: str, settings: dict, head: dict, most: float = math.inf) -> list[str]:
    """Check the settings of a head that ranks; return warnings."""
    _check_sampler(f'{key}.sampler', settings.get('sampler'), most)
    weight = settings.get('pos_weight', -1)
    if weight > 0 and weight != 1:  # MMDetection takes 0 and less for 1
        raise ConfigError(
            f'{key}.pos_weight is {weight}, but a ranking loss does not weight positives: leave it '
            'at -1'
        )
    return _tau_warnings(key, settings.get('assigner') or {}, head)


def _tau_warnings(key: str, assigner: dict, head: dict) -> list[str]:
    loss = head.get('loss_cls')  # the default of a head suits it
    if not loss or resolve_type(loss, MODELS) is not aLRPLoss:
        return []
    if type_name(assigner) != 'MaxIoUAssigner' or 'pos_iou_thr' not in assigner:
        return []
    if issubclass(resolve_type(head, MODELS), PAAHead):  # its assigner only finds candidates
        return []
    default = inspect.signature(aLRPLoss).parameters['tau'].default
    tau, lowest = loss.get('tau', default), assigner['pos_iou_thr']
    if tau == lowest:
        return []
    return [
        f'tau of aLRPLoss is {tau} in {type_name(head)}, but {key}.assigner.pos_iou_thr is '
        f'{lowest}: localisation is weighted by 1 / (1 - tau), where tau should be the lowest IoU '
        'of a positive'
    ]


def _check_sampler(key: str, sampler: dict | None, most: float) -> None:
    """Check that a sampler takes all candidates of an image, of which there are at most ``most``.

    ``num * pos_fraction`` positives are taken, then ``num`` less these negatives, but at most
    ``neg_pos_ub`` for each positive, if that is not negative.
    """
    kind = resolve_type(sampler, TASK_UTILS) if sampler else PseudoSampler
    if isinstance(kind, type) and issubclass(kind, PseudoSampler):
        return
    if 'num' not in sampler and isinstance(kind, type) and not is_known_code(kind):
        return  # of the user, without a number of candidates to take
    num, neg_pos_ub = sampler.get('num', 0), sampler.get('neg_pos_ub', -1)
    takes_positives = num * sampler.get('pos_fraction', 1) >= most
    takes_negatives = num >= 2 * most and not 0 <= neg_pos_ub < most
    if not (takes_positives and takes_negatives):
        given = f'(num={num})' if num else ''
        raise ConfigError(
            f'{key} is a {type_name(sampler)}{given}, which may leave out candidates. A ranking '
            f"loss ranks all of them: set {key}=dict(_delete_=True, type='PseudoSampler')"
        )


def _listed(value: object) -> list:
    return list(value) if isinstance(value, list | tuple) else [value] if value else []
