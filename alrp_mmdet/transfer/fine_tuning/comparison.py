"""What of a checkpoint fits a model, and what does not, and why."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from alrp.text import format_list

from .class_layers import ClassLayer, Names, class_layers
from .grouping import grouped, with_sizes
from .state_dicts import matters, named_as_in

SHOWN = 20  # lines of a list
MISSING = 'not in the checkpoint'


@dataclass
class Comparison:
    """A checkpoint beside a model. Names are the model's, those of ``unused`` the checkpoint's.

    Args:
        own (dict[str, Tensor]): All weights of the model.
        fitting (dict[str, Tensor]): Weights of the checkpoint that fit as they stand.
        kept (dict[str, Tensor]): Weights of the model with the checkpoint's of some classes.
        anew (dict[str, tuple[str, str]]): Why other weights of the model start anew, by their
            names, and the shapes, if it is for them.
        unused (dict[str, Tensor]): Weights of the checkpoint of which nothing is used.
        notes (list[str]): What else is to be told, a sentence each.
    """

    own: dict[str, Tensor]
    fitting: dict[str, Tensor] = field(default_factory=dict)
    kept: dict[str, Tensor] = field(default_factory=dict)
    anew: dict[str, tuple[str, str]] = field(default_factory=dict)
    unused: dict[str, Tensor] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def fits_nowhere(self) -> bool:
        return not self.kept and not any(map(matters, self.fitting))

    def reasons(self) -> list[str]:
        """What starts anew and why, a line for each module and reason."""
        lines = []
        for reason in dict.fromkeys(why for why, _ in self.anew.values()):
            those = [key for key, (why, _) in self.anew.items() if why == reason]
            for group, keys in grouped(those, filter(matters, self.own)).items():
                first, _, _ = keys[0].rpartition('.')
                count = len({key.rpartition('.')[0] for key in keys})
                shapes = self.anew[keys[0]][1]
                if shapes and count > 1:
                    lines.append(f'{group}: {count} layers {reason}, such as {first}: {shapes}')
                else:
                    lines.append(f'{group}: {shapes or reason}')
        return lines

    def report(self) -> str:
        """All of it, as a list of several lines."""
        sections = {
            'loaded': with_sizes(self.fitting, self.own),
            'loaded for some classes': with_sizes(self.kept, self.own),
            'starts anew': self.reasons(),
            'in the checkpoint, not used': with_sizes(self.unused, self.unused, self.fitting),
            'note': self.notes,
        }
        lines = []
        for title, content in sections.items():
            if content:
                more = [f'and {len(content) - SHOWN} more'] if len(content) > SHOWN else []
                lines += [f'{title}:', *(f'  {line}' for line in content[:SHOWN] + more)]
        return '\n'.join(lines)


def compare(
    model: nn.Module,
    weights: dict[str, Tensor],
    names: Names = None,
    names_there: Names = None,
    keep_matching_classes: bool = False,
) -> Comparison:
    """Compare a checkpoint with a model, layer by layer: each fits as a whole or not at all.

    Args:
        model (nn.Module): The model, not in a wrapper. It does not change.
        weights (dict[str, Tensor]): Weights of the checkpoint.
        names (Sequence[str] | None): Names of the classes of the model, if known.
        names_there (Sequence[str] | None): Names of the classes of the checkpoint, if known.
        keep_matching_classes (bool): Whether a layer of other classes keeps the outputs of those
            whose names match. It needs both names.

    Returns:
        Comparison: What fits.
    """
    found = named_as_in(model, weights)
    result = Comparison(model.state_dict())
    taken = {id(value) for value in found.values()}
    result.unused = {k: v for k, v in weights.items() if id(v) not in taken and matters(k)}
    layers = {layer.name: layer for layer in class_layers(model, found, names_there)}
    if names_there and any(
        x.there and x.there.classes != len(names_there) for x in layers.values()
    ):
        result.notes.append(
            f'the checkpoint names {len(names_there)} classes ({format_list(names_there)}), which its '
            'weights are not for: the names are not used'
        )
        names_there = None
    common = [name for name in names or () if name in (names_there or ())]
    by_shape, could_keep = [], []
    for name, keys in _by_layer(result.own).items():
        layer = layers.get(name)
        reason, shapes = _misfit(keys, result.own, found)
        if layer is not None and reason != MISSING:
            of_classes = layer.why_not(names, names_there)
            reason, shapes = (of_classes, '') if of_classes else (reason, shapes)
            if reason is None:
                by_shape.append(name)
            elif common and _can_keep(layer, keys, result.own, found):
                could_keep.append(name)
                if keep_matching_classes:
                    for key in keys:
                        own, given = result.own[key], found[key]
                        result.kept[key] = layer.keep(own, given, names, names_there)
                    continue
        if reason is None:
            result.fitting.update((key, found[key]) for key in keys if key in found)
        else:
            result.anew.update((key, (reason, shapes)) for key in keys if matters(key))
    if could_keep and keep_matching_classes:
        others = [name for name in names if name not in common]
        anew = f', {format_list(others)} not: these start anew' if others else ''
        result.notes.append(f'classes {format_list(common)} are in the checkpoint{anew}')
    elif could_keep:
        result.notes.append(
            f'{", ".join(could_keep)} could keep what the checkpoint has for classes of the same '
            f'names, {format_list(common)}: default_hooks.fine_tune.keep_matching_classes=True'
        )
    if by_shape and not (names and names_there):
        silent = 'checkpoint does' if names else 'training data do'
        result.notes.append(
            f'the {silent} not name classes, so that {", ".join(by_shape)} was loaded by its '
            'shape: right only if the classes are the same, in the same order'
        )
    return result


def _by_layer(own: dict[str, Tensor]) -> dict[str, list[str]]:
    layers = {}
    for key in own:
        layers.setdefault(key.rpartition('.')[0], []).append(key)
    return layers


def _misfit(
    keys: list[str], own: dict[str, Tensor], found: dict[str, Tensor]
) -> tuple[str | None, str]:
    """Why a layer does not fit, None if it does; and the shapes, if it is for them."""
    needed = [key for key in keys if matters(key)]
    missing = [key.rpartition('.')[2] for key in needed if key not in found]
    if missing:
        which = '' if len(missing) == len(needed) else f'{format_list(missing)} '
        return f'{which}{MISSING}', ''
    for key in keys:
        if key in found and found[key].shape != own[key].shape:
            there, here = (' x '.join(map(str, x[key].shape)) or 'scalar' for x in (found, own))
            part = key.rpartition('.')[2]
            return 'of other shapes', f'{part} is {there} in the checkpoint, {here} here'
    return None, ''


def _can_keep(
    layer: ClassLayer, keys: list[str], own: dict[str, Tensor], found: dict[str, Tensor]
) -> bool:
    """Whether a layer differs from that of the checkpoint by its classes alone."""
    here, there = layer.here, layer.there
    return (
        there is not None
        and there.priors == here.priors
        and all(
            key in found
            and len(own[key]) == len(here)
            and len(found[key]) == len(there)
            and own[key].shape[1:] == found[key].shape[1:]
            for key in keys
        )
    )
