"""Compare a checkpoint with a model: which layers fit, which do not, and why."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from alrp.text import format_list

from .class_layers import ClassLayer, Names, class_layers
from .grouping import group_by_module, module_sizes
from .state_dicts import affects_predictions, match_names

MAX_LINES = 20  # of a section of the report
MISSING = 'not in the checkpoint'


@dataclass
class Comparison:
    """What of a checkpoint a model loads. All names are the model's, except in ``unused``.

    Args:
        model_weights (dict[str, Tensor]): All weights of the model.
        loaded (dict[str, Tensor]): Weights of the checkpoint that the model loads unchanged.
        partly_loaded (dict[str, Tensor]): Weights of the model in which the outputs of some classes
            are replaced with the checkpoint's.
        reinitialized (dict[str, tuple[str, str]]): For the remaining weights of the model, the
            reason, and the shapes if they are the reason.
        unused (dict[str, Tensor]): Weights of the checkpoint that the model does not load.
        notes (list[str]): More lines for the log.
    """

    model_weights: dict[str, Tensor]
    loaded: dict[str, Tensor] = field(default_factory=dict)
    partly_loaded: dict[str, Tensor] = field(default_factory=dict)
    reinitialized: dict[str, tuple[str, str]] = field(default_factory=dict)
    unused: dict[str, Tensor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def nothing_loaded(self) -> bool:
        return not self.partly_loaded and not any(map(affects_predictions, self.loaded))

    def mismatches(self) -> list[str]:
        """The layers that are re-initialised: a line for each module and reason."""
        lines = []
        universe = list(filter(affects_predictions, self.model_weights))
        for reason in dict.fromkeys(reason for reason, _ in self.reinitialized.values()):
            chosen = [key for key, (other, _) in self.reinitialized.items() if other == reason]
            for module, keys in group_by_module(chosen, universe).items():
                layers = dict.fromkeys(key.rpartition('.')[0] for key in keys)
                shapes = self.reinitialized[keys[0]][1]
                if shapes and len(layers) > 1:
                    first = next(iter(layers))
                    lines.append(f'{module}: {len(layers)} layers {reason}, e.g. {first}: {shapes}')
                else:
                    lines.append(f'{module}: {shapes or reason}')
        return lines

    def report(self) -> str:
        """The comparison as several lines for the log."""
        sections = {
            'loaded': module_sizes(self.loaded, self.model_weights),
            'loaded for some classes': module_sizes(self.partly_loaded, self.model_weights),
            're-initialised': self.mismatches(),
            'in the checkpoint, not used': module_sizes(self.unused, self.unused, self.loaded),
            'note': self.notes,
        }
        lines = []
        for title, content in sections.items():
            if content:
                rest = len(content) - MAX_LINES
                more = [f'and {rest} more'] if rest > 0 else []
                lines += [f'{title}:', *(f'  {line}' for line in content[:MAX_LINES] + more)]
        return '\n'.join(lines)


def compare(
    model: nn.Module,
    weights: dict[str, Tensor],
    classes: Names = None,
    checkpoint_classes: Names = None,
    keep_matching_classes: bool = False,
) -> Comparison:
    """Compare a checkpoint with a model, layer by layer. A layer fits as a whole or not at all.

    Args:
        model (nn.Module): The model, without a wrapper. It is not changed.
        weights (dict[str, Tensor]): Weights of the checkpoint.
        classes (Sequence[str] | None): Class names of the model, if known.
        checkpoint_classes (Sequence[str] | None): Class names of the checkpoint, if known.
        keep_matching_classes (bool): Whether layers for other classes load the outputs of the
            classes whose names match. Needs both lists of names.

    Returns:
        Comparison: What the model loads.
    """
    found = match_names(model, weights)
    result = Comparison(model.state_dict())
    used = {id(value) for value in found.values()}
    result.unused = {
        k: v for k, v in weights.items() if id(v) not in used and affects_predictions(k)
    }
    layers = {layer.name: layer for layer in class_layers(model, found, checkpoint_classes)}
    if checkpoint_classes and any(
        layer.checkpoint and layer.checkpoint.classes != len(checkpoint_classes)
        for layer in layers.values()
    ):
        result.notes.append(
            f'ignoring the {len(checkpoint_classes)} class names in the checkpoint '
            f'({format_list(checkpoint_classes)}): its weights have another number of classes'
        )
        checkpoint_classes = None
    common = [name for name in classes or () if name in (checkpoint_classes or ())]
    loaded_by_shape, could_keep = [], []
    for name, keys in _by_layer(result.model_weights).items():
        layer = layers.get(name)
        reason, shapes = _mismatch(keys, result.model_weights, found)
        if layer is not None and reason != MISSING:
            class_reason = layer.mismatch(classes, checkpoint_classes)
            reason, shapes = (class_reason, '') if class_reason else (reason, shapes)
            if reason is None:
                loaded_by_shape.append(name)
            elif common and _differs_in_classes_only(layer, keys, result.model_weights, found):
                could_keep.append(name)
                if keep_matching_classes:
                    for key in keys:
                        result.partly_loaded[key] = layer.merge(
                            result.model_weights[key], found[key], classes, checkpoint_classes
                        )
                    continue
        if reason is None:
            result.loaded.update((key, found[key]) for key in keys if key in found)
        else:
            result.reinitialized.update(
                (key, (reason, shapes)) for key in keys if affects_predictions(key)
            )
    if could_keep:
        result.notes.append(_note_on_common(could_keep, classes, common, keep_matching_classes))
    if loaded_by_shape and not (classes and checkpoint_classes):
        unnamed = 'checkpoint does' if classes else 'training data do'
        result.notes.append(
            f'the {unnamed} not name classes: {", ".join(loaded_by_shape)} was loaded because its '
            'shape fits. This is right only if the classes and their order are the same'
        )
    return result


def _note_on_common(
    layers: list[str], classes: Sequence[str], common: list[str], loaded: bool
) -> str:
    """A note on the classes that have the same name in the model and the checkpoint."""
    if not loaded:
        return (
            f'the checkpoint also has the classes {format_list(common)}: to load their outputs in '
            f'{", ".join(layers)}, set default_hooks.fine_tune.keep_matching_classes=True'
        )
    others = [name for name in classes if name not in common]
    rest = f'; {format_list(others)} re-initialised' if others else ''
    return f'classes loaded by name: {format_list(common)}{rest}'


def _by_layer(weights: dict[str, Tensor]) -> dict[str, list[str]]:
    layers = {}
    for key in weights:
        layers.setdefault(key.rpartition('.')[0], []).append(key)
    return layers


def _mismatch(
    keys: list[str], model_weights: dict[str, Tensor], found: dict[str, Tensor]
) -> tuple[str | None, str]:
    """Why a layer does not fit, or None; and the shapes if they are the reason."""
    needed = [key for key in keys if affects_predictions(key)]
    missing = [key.rpartition('.')[2] for key in needed if key not in found]
    if missing:
        which = '' if len(missing) == len(needed) else f'{format_list(missing)} '
        return f'{which}{MISSING}', ''
    for key in keys:
        if key in found and found[key].shape != model_weights[key].shape:
            theirs, ours = (
                ' x '.join(map(str, x[key].shape)) or 'scalar' for x in (found, model_weights)
            )
            part = key.rpartition('.')[2]
            shapes = f'{part} is {theirs} in the checkpoint, {ours} in the model'
            return 'have other shapes', shapes
    return None, ''


def _differs_in_classes_only(
    layer: ClassLayer,
    keys: list[str],
    model_weights: dict[str, Tensor],
    found: dict[str, Tensor],
) -> bool:
    return (
        layer.checkpoint is not None
        and layer.checkpoint.priors == layer.model.priors
        and all(
            key in found
            and len(model_weights[key]) == len(layer.model)
            and len(found[key]) == len(layer.checkpoint)
            and model_weights[key].shape[1:] == found[key].shape[1:]
            for key in keys
        )
    )
