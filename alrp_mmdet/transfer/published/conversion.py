"""A published checkpoint in the form of MMEngine, with every weight of a model of this project."""

from collections import OrderedDict

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from ..checkpoint_config import differences, plain, settings_of
from ..fine_tuning import compare
from ..fine_tuning.class_layers import class_layers
from ..fine_tuning.grouping import grouped
from ..fine_tuning.state_dicts import class_names, matters, weights_of
from ..safe_loading import CheckpointError
from .layouts import detector_in


def convert_published(checkpoint: dict, filename: str, cfg: Config) -> tuple[dict, list[str]]:
    """Convert a published checkpoint for the model of a config.

    Args:
        checkpoint (dict): What was in the file, as ``CheckpointLoader`` gives it.
        filename (str): The file, for messages.
        cfg (Config): The config.

    Returns:
        tuple: The checkpoint in MMEngine's form, with every weight of the model; and what is to be
        told, a sentence each.

    Raises:
        CheckpointError: If it is no such checkpoint, or if not all of it fits the model.
    """
    weights = weights_of(checkpoint, filename)
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, dict) else {}
    _check_version(meta, filename)
    detector = detector_in(weights, filename)
    notes = _check_settings(meta.get('config_text'), cfg, filename)

    init_default_scope(cfg.get('default_scope', 'mmdet'))
    model = MODELS.build(cfg.model)
    own = model.state_dict()
    if (detector == 'FoveaBox') != ('bbox_head.conv_cls.weight' in own):
        raise CheckpointError(
            f'{filename} is a {detector}, but the config has a {type(model).__name__}'
        )
    if detector == 'ATSS' and 'bbox_head.atss_cls.weight' in own:
        weights = OrderedDict(
            (key.replace('bbox_head.retina_', 'bbox_head.atss_'), x) for key, x in weights.items()
        )
    fitting = _fitting(weights, model, f'{filename}, a {detector},')

    converted = dict(meta={key: meta[key] for key in ('epoch', 'iter') if key in meta})
    converted['meta']['converted_from'] = f'MMDetection {meta["mmdet_version"]}'
    classes = class_names(checkpoint)
    [num_classes] = {layer.here.classes for layer in class_layers(model, own, classes)}
    if classes is None:
        notes.append('it does not name its classes: nor does the new one')
    elif len(classes) != num_classes:
        raise CheckpointError(
            f'{filename} names {len(classes)} classes, but has weights for {num_classes}'
        )
    else:
        converted['meta']['dataset_meta'] = dict(classes=classes)
    converted['state_dict'] = OrderedDict((key, fitting.get(key, own[key])) for key in own)
    # With the versions of its modules, or FoveaBox's head would take loss_cls for an old conv_cls.
    converted['state_dict']._metadata = own._metadata
    model.load_state_dict(converted['state_dict'], strict=True)
    return converted, notes


def _check_version(meta: dict, filename: str) -> None:
    version = meta.get('mmdet_version')
    if isinstance(version, str) and version.startswith('2.'):
        return
    if 'mmengine_version' in meta or str(version).startswith('3.'):
        raise CheckpointError(f'{filename} is of MMDetection 3 already: use it as it is')
    said = f'is of MMDetection {version}' if version else 'does not say (meta.mmdet_version)'
    raise CheckpointError(
        f'{filename} must be of MMDetection 2, where labels count from zero, but {said}'
    )


def _check_settings(text: object, cfg: Config, filename: str) -> list[str]:
    """Compare what the config text says of boxes and images; gives what could not be compared."""
    unknown = 'boxes and images are taken to be as in the config'
    if not isinstance(text, str):
        return [f'it has no config text: {unknown}']
    try:
        trained = settings_of(text)
    except ValueError as error:
        return [f'{error}: {unknown}']
    model = trained.get('model')
    if not isinstance(model, dict):
        return [f'its config text has no model that can be read: {unknown}']
    found = list(differences(model, cfg.model))
    images, here = trained.get('img_norm_cfg'), cfg.model.get('data_preprocessor')
    if isinstance(images, dict) and here is not None:
        for name, other in dict(mean='mean', std='std', to_rgb='bgr_to_rgb').items():
            if images.get(name) is not None and images[name] != plain(here.get(other)):
                found.append((f'img_norm_cfg.{name}', images[name], here.get(other)))
    if found:
        raise CheckpointError(
            f'{filename} was trained with other settings than the config has, so that its boxes '
            'would be wrong:\n'
            + '\n'.join(f'  - {name}: {there}, here {value}' for name, there, value in found)
            + '\nName a config that has them, by --config'
        )
    if 'target_stds' in text or 'target_stds' not in str(cfg.model):
        return []
    return [f'its config text has no target_stds: {unknown}']


def _fitting(weights: dict[str, Tensor], model, which: str) -> dict[str, Tensor]:
    """The weights by the model's names, if none is missing, left over or spoilt."""
    result = compare(model, weights)
    spoilt = [key for key, value in weights.items() if matters(key) and not value.isfinite().all()]
    problems = [
        *result.reasons(),
        *(f'{group}: no place for it here' for group in grouped(result.unused, weights)),
        *(f'{key}: NaN or infinite' for key in spoilt),
    ]
    if problems:
        raise CheckpointError(
            f'{which} does not fit the model of the config:\n'
            + '\n'.join(f'  - {problem}' for problem in problems)
        )
    return result.fitting
