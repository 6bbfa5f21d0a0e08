"""Checks that all candidates are ranked, before a model is built."""

import math

from mmdet.models.task_modules import PseudoSampler
from mmdet.registry import MODELS, TASK_UTILS

from ..config.file import ConfigError
from ..config.types import resolve_type, type_name, typed_nodes
from .ranking_head import RankingHeadMixin


def check_samplers(model: dict) -> None:
    """Check that no sampler leaves out candidates of a head that ranks.

    The configs of MMDetection's two-stage detectors sample 256 anchors and 512 RoIs of each image.
    A ranking of so few negatives is another loss, and nothing in the log would tell.

    Args:
        model (dict): The config of a model.

    Raises:
        ConfigError: If a sampler leaves out candidates. Names its key.
    """
    for node in typed_nodes(model):
        settings = dict.get(node, 'train_cfg') or {}
        sampler = (settings.get('rpn') or {}).get('sampler')
        if _ranks(dict.get(node, 'rpn_head')) and not _takes_all(sampler):
            raise _refusal('train_cfg.rpn.sampler', sampler)
        heads = _listed((dict.get(node, 'roi_head') or {}).get('bbox_head'))
        stages = _listed(settings.get('rcnn'))
        num_rois = (settings.get('rpn_proposal') or {}).get('max_per_img', 0)
        for number, stage in enumerate(stages):
            sampler = stage.get('sampler')
            if any(map(_ranks, heads)) and not _takes_all(sampler, num_rois):
                index = f'[{number}]' if len(stages) > 1 else ''
                raise _refusal(f'train_cfg.rcnn{index}.sampler', sampler)


def _ranks(head: object) -> bool:
    kind = resolve_type(head, MODELS) if isinstance(head, dict) else None
    return isinstance(kind, type) and issubclass(kind, RankingHeadMixin)


def _takes_all(sampler: dict | None, most: float = math.inf) -> bool:
    """Whether a sampler takes all candidates of an image, of which there are at most ``most``."""
    if not sampler:
        return True
    kind = resolve_type(sampler, TASK_UTILS)
    is_pseudo = isinstance(kind, type) and issubclass(kind, PseudoSampler)
    return is_pseudo or sampler.get('num', 0) > most


def _listed(value: object) -> list:
    return list(value) if isinstance(value, list | tuple) else [value] if value else []


def _refusal(key: str, sampler: dict) -> ConfigError:
    num = f'(num={sampler["num"]})' if 'num' in sampler else ''
    return ConfigError(
        f'{key} is a {type_name(sampler)}{num}, which leaves out candidates. A ranking loss ranks '
        f"all of them: set {key}=dict(_delete_=True, type='PseudoSampler')"
    )
