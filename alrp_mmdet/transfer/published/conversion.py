"""Convert a published checkpoint to the format of MMEngine, for a model of this project."""

from collections import OrderedDict

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from ..checkpoint_config import trained_config
from ..fine_tuning import compare
from ..fine_tuning.class_layers import class_layers
from ..fine_tuning.grouping import group_by_module
from ..fine_tuning.state_dicts import affects_predictions, class_names, extract_weights
from ..safe_loading import CheckpointError
from .layouts import DETECTORS, identify_detector
from .settings import check_settings


def convert_published(checkpoint: dict, filename: str, cfg: Config) -> tuple[dict, list[str]]:
    """Convert a published checkpoint for the model of a config.

    Args:
        checkpoint (dict): Content of the file, from ``CheckpointLoader``.
        filename (str): The file, for messages.
        cfg (Config): The config.

    Returns:
        tuple: The checkpoint in the format of MMEngine, with all weights of the model; and notes
        for the user.

    Raises:
        CheckpointError: If it is not a published checkpoint, or does not fit the model exactly.
    """
    weights = extract_weights(checkpoint, filename)
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    _check_version(meta, filename)
    trained, problem = trained_config(checkpoint)
    notes = check_settings(trained, problem, cfg, filename)
    weights, dropped = _without_averages(weights)
    if dropped:
        notes.append(
            f'dropped {dropped} buffers ema_*. At the end of an epoch, the EMA hook of MMCV swaps '
            'them with the weights, so a checkpoint saved then has the averages as weights'
        )

    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model = MODELS.build(cfg.model)
    own = model.state_dict()
    built = type(model).__name__
    detector = identify_detector(weights, filename, trained.get('model', {}).get('type', built))
    others = {name for name, _ in DETECTORS.values()} - {DETECTORS[detector][0]}
    if built in others:
        raise CheckpointError(
            f'{filename}: the detector is {detector}, but the model of the config is {built}'
        )
    if detector == 'ATSS' and 'bbox_head.atss_cls.weight' in own:
        weights = OrderedDict(
            (key.replace('bbox_head.retina_', 'bbox_head.atss_'), x) for key, x in weights.items()
        )
    loaded = _load_all(weights, model, f'{filename} ({detector})')

    converted = dict(meta={key: meta[key] for key in ('epoch', 'iter') if key in meta})
    converted['meta']['converted_from'] = f'MMDetection {meta["mmdet_version"]}'
    classes = class_names(checkpoint)
    [num_classes] = {layer.model.classes for layer in class_layers(model, own, classes)}
    if classes is None:
        notes.append('the checkpoint has no class names, and neither has the converted one')
    elif len(classes) != num_classes:
        raise CheckpointError(
            f'{filename} has {len(classes)} class names, but weights for {num_classes} classes'
        )
    else:
        converted['meta']['dataset_meta'] = dict(classes=classes)
    converted['state_dict'] = OrderedDict((key, loaded.get(key, own[key])) for key in own)
    # Without these versions of modules, FoveaBox's head would rename loss_cls to conv_cls.
    converted['state_dict']._metadata = own._metadata
    model.load_state_dict(converted['state_dict'], strict=True)
    return converted, notes


def _check_version(meta: dict, filename: str) -> None:
    version = meta.get('mmdet_version')
    if isinstance(version, str) and version.startswith('2.'):
        return
    if 'mmengine_version' in meta or str(version).startswith('3.'):
        raise CheckpointError(f'{filename} is from MMDetection 3 and needs no conversion')
    found = f'is from MMDetection {version}' if version else 'has no meta.mmdet_version'
    raise CheckpointError(
        f'{filename} {found}. Only checkpoints of MMDetection 2 can be converted, where labels '
        'start at 0'
    )


def _without_averages(weights: OrderedDict[str, Tensor]) -> tuple[OrderedDict[str, Tensor], int]:
    """The weights without the buffers of MMCV's EMA hook, and the number of these buffers."""
    kept = OrderedDict((key, x) for key, x in weights.items() if not key.startswith('ema_'))
    kept._metadata = weights._metadata
    return kept, len(weights) - len(kept)


def _load_all(weights: dict[str, Tensor], model, which: str) -> dict[str, Tensor]:
    """The weights under the names of the model, if none is missing, unused, NaN or infinite."""
    result = compare(model, weights)
    not_finite = [
        key
        for key, value in weights.items()
        if affects_predictions(key) and not value.isfinite().all()
    ]
    unused = group_by_module(result.unused, weights)
    problems = [
        *result.mismatches(),
        *(f'{module}: not in the model' for module in unused),
        *(f'{key}: NaN or infinite' for key in not_finite),
    ]
    if problems:
        raise CheckpointError(
            f'{which} does not fit the model of the config:\n'
            + '\n'.join(f'  - {problem}' for problem in problems)
        )
    return result.loaded
