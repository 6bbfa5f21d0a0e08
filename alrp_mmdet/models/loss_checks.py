"""Checks that the heads of a config can be trained with their losses, before a model is built."""

from collections.abc import Callable, Iterator

from mmdet.registry import MODELS

from ..config.file import ConfigError
from ..config.types import is_known_code, resolve_type, typed_nodes
from ..registry import SCOPE
from .losses.ranking_loss import RankingLoss

LOSS_METHODS = 'loss', 'loss_by_feat', 'loss_by_feat_single', 'loss_and_target'


def check_losses(model: dict) -> None:
    """Check that ranking losses are only in heads that rank.

    MMDetection's own heads would call a ranking loss with other arguments, in the first step.

    Args:
        model (dict): The config of a model.

    Raises:
        ConfigError: If a head that calls its losses as MMDetection does has a ranking loss, or a
            head that ranks has one in another place than ``loss_cls``. Says what to use instead.
    """
    for node in typed_nodes(model):
        head = resolve_type(node, MODELS)
        if not isinstance(head, type) or _is_called_by_own_code(head):
            continue
        for key, loss in _ranking_losses(node):
            if key != 'loss_cls':
                raise ConfigError(
                    f'{head.__name__} cannot use the ranking loss {loss.__name__} as {key}, only '
                    'as loss_cls'
                )
            if not _ranks(head):
                raise ConfigError(_refusal(head, loss))


def _ranking_losses(node: dict) -> Iterator[tuple[str, type]]:
    """The ranking losses of a head, with their keys."""
    for key, value in dict.items(node):
        loss = resolve_type(value, MODELS) if isinstance(value, dict) else None
        if isinstance(loss, type) and issubclass(loss, RankingLoss):
            yield key, loss


def _ranks(head: type) -> bool:
    """Whether a head calls its ``loss_cls`` as a ranking loss: it has a method of ours for that."""
    return any(x.__module__.split('.')[0] == SCOPE for x in _loss_methods(head))


def _is_called_by_own_code(head: type) -> bool:
    """Whether the losses of a head may be called by a method of the user's."""
    methods = _loss_methods(head)
    return not methods or not all(map(is_known_code, methods))


def _loss_methods(head: type) -> list[Callable]:
    return [getattr(head, name) for name in LOSS_METHODS if hasattr(head, name)]


def _refusal(head: type, loss: type) -> str:
    of_mmdet = next(kind for kind in head.__mro__ if kind.__module__.split('.')[0] == 'mmdet')
    kinds = [kind for kind in MODELS.module_dict.values() if isinstance(kind, type)]
    ranking = sorted(k.__name__ for k in kinds if issubclass(k, of_mmdet) and _ranks(k))
    text = f'{head.__name__} cannot be trained with the ranking loss {loss.__name__}'
    if ranking:
        return f'{text}. Use {" or ".join(ranking)} or another loss_cls'
    return (
        f'{text}, and there is no such head that ranks: docs/models.md lists those there are, '
        'CONTRIBUTING.md shows how to add one. Or use another loss_cls'
    )
