"""Checks that the heads of a config can be trained with their losses, before a model is built."""

from mmdet.registry import MODELS

from ..config.file import ConfigError
from ..config.types import resolve_type, typed_nodes
from .losses.ranking_loss import RankingLoss
from .ranking_head import RankingHeadMixin


def check_losses(model: dict) -> None:
    """Check that ranking losses are only in heads that rank.

    MMDetection's own heads would call a ranking loss with other arguments, in the first step.

    Args:
        model (dict): The config of a model.

    Raises:
        ConfigError: If a head of MMDetection has a ranking loss. Names the heads to use instead.
    """
    for node in typed_nodes(model):
        loss_cls = dict.get(node, 'loss_cls')
        loss = resolve_type(loss_cls, MODELS) if isinstance(loss_cls, dict) else None
        head = resolve_type(node, MODELS)
        if not (isinstance(loss, type) and issubclass(loss, RankingLoss)):
            continue
        if isinstance(head, type) and head.__module__.split('.')[0] == 'mmdet':
            ours = {
                kind.__name__ for kind in _subclasses(RankingHeadMixin) if issubclass(kind, head)
            }
            instead = [*sorted(ours), 'another loss_cls']
            raise ConfigError(
                f'{head.__name__} cannot be trained with the ranking loss {loss.__name__}. '
                f'Use {" or ".join(instead)}'
            )


def _subclasses(kind: type) -> set[type]:
    return {kind}.union(*map(_subclasses, kind.__subclasses__()))
