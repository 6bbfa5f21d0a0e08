"""Layers whose outputs belong to classes, and what of them can be kept for other classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmdet.models import AnchorFreeHead, AnchorHead, BBoxHead, RPNHead
from torch import Tensor, nn

from alrp.text import format_list

Names = Sequence[str] | None


@dataclass(frozen=True)
class Outputs:
    """How the outputs of a layer stand: priors, in each its classes, in each its values.

    Args:
        priors (int): Anchors at a place; 1 without anchors.
        classes (int): Classes.
        values (int): Numbers of a class: 1 for a logit, 4 for a box.
        background (int): 1 if a softmax has an output for the background, the last, else 0.
    """

    priors: int
    classes: int
    values: int = 1
    background: int = 0

    def view(self, tensor: Tensor) -> Tensor:
        """Weights (outputs, ...) or biases (outputs,) as (priors, classes, values, ...)."""
        shape = self.priors, self.classes + self.background, self.values, *tensor.shape[1:]
        return tensor.reshape(shape)

    def __len__(self) -> int:
        return self.priors * (self.classes + self.background) * self.values


@dataclass(frozen=True)
class ClassLayer:
    """A layer of a model whose outputs belong to classes.

    Args:
        name (str): Its name in the model.
        here (Outputs): How its outputs stand in the model.
        there (Outputs | None): How they stand in the checkpoint; None if that cannot be told.
    """

    name: str
    here: Outputs
    there: Outputs | None

    def why_not(self, names: Names, names_there: Names) -> str | None:
        """Why the layer cannot be taken over as it stands; None if it can.

        Args:
            names (Sequence[str] | None): Names of the classes of the model, if known.
            names_there (Sequence[str] | None): Names of those of the checkpoint, if known.
        """
        here, there = self.here, self.there
        if there is None:
            return 'its outputs in the checkpoint are not those of such a head'
        if there.priors != here.priors:
            return f'{there.priors} anchors at a place in the checkpoint, {here.priors} here'
        if there.classes != here.classes:
            return f'{there.classes} classes in the checkpoint, {here.classes} here'
        if names and names_there and list(names) != list(names_there):
            if sorted(names) == sorted(names_there):
                return 'its classes stand in another order in the checkpoint'
            return f'the classes of the checkpoint have other names, {format_list(names_there)}'
        if there.background != here.background:
            softmax = 'in the checkpoint' if there.background else 'here'
            return f'it has an output for the background {softmax}'
        return None

    def keep(
        self, own: Tensor, given: Tensor, names: Sequence[str], names_there: Sequence[str]
    ) -> Tensor:
        """The layer of the model, with the outputs of classes whose names match.

        A softmax fixes its logits but for a constant. Without an output for the background in the
        model, each is therefore taken as its distance to that of the background.

        Args:
            own (Tensor): Weights or biases of the model, (outputs, ...).
            given (Tensor): Those of the checkpoint, (outputs there, ...).
            names (Sequence[str]): Names of the classes of the model.
            names_there (Sequence[str]): Names of those of the checkpoint.

        Returns:
            Tensor: As ``own``, a copy.
        """
        kept = own.clone()
        to, source = self.here.view(kept), self.there.view(given).to(own)
        if self.there.background:
            if self.here.background:
                to[:, -1] = source[:, -1]
            else:
                source = source - source[:, -1:]
        for i, name in enumerate(names):
            if name in names_there:
                to[:, i] = source[:, names_there.index(name)]
        return to.reshape(own.shape)


def class_layers(
    model: nn.Module, found: dict[str, Tensor], names_there: Names
) -> Iterator[ClassLayer]:
    """Every layer of a model's box heads whose outputs belong to classes, if it is in a checkpoint.

    Args:
        model (nn.Module): A detector with the heads of MMDetection on anchors, points or RoIs.
        found (dict[str, Tensor]): Weights of the checkpoint, by the model's names.
        names_there (Sequence[str] | None): Names of the classes of the checkpoint, if known.

    Yields:
        ClassLayer: The layer.
    """
    own = model.state_dict()

    def rows(layer: str, state_dict: dict[str, Tensor]) -> int:
        weight = state_dict.get(f'{layer}.weight')
        return 0 if weight is None else len(weight)

    for path, head in model.named_modules():
        if isinstance(head, RPNHead):
            continue
        if isinstance(head, BBoxHead) and head.with_cls:
            logits, boxes = f'{path}.fc_cls', f'{path}.fc_reg'
            values = 0 if head.reg_class_agnostic else rows(boxes, own) // head.num_classes
            here = Outputs(1, head.num_classes, 1, rows(logits, own) - head.num_classes)
            classes = rows(boxes, found) // values if values else 0
            there = _outputs_there(rows(logits, found), 1, classes, here, names_there)
            if rows(logits, found):
                yield ClassLayer(logits, here, there)
            if values and rows(boxes, found):
                there = there and Outputs(1, there.classes, values)
                fits = there and len(there) == rows(boxes, found)
                yield ClassLayer(boxes, Outputs(1, here.classes, values), there if fits else None)
        elif isinstance(head, (AnchorHead, AnchorFreeHead)):
            for child in head._modules:
                logits, boxes = f'{path}.{child}', f'{path}.{child.removesuffix("_cls")}_reg'
                background = head.cls_out_channels - head.num_classes
                here = Outputs(head.num_base_priors, head.num_classes, 1, background)
                if not child.endswith('_cls') or rows(logits, own) != len(here):
                    continue
                of_a_prior = rows(boxes, own) // here.priors
                priors = rows(boxes, found) // of_a_prior if of_a_prior else here.priors
                there = _outputs_there(rows(logits, found), priors, 0, here, names_there)
                if rows(logits, found):
                    yield ClassLayer(logits, here, there)


def _outputs_there(
    rows: int, priors: int, classes: int, here: Outputs, names: Names
) -> Outputs | None:
    """How the outputs of a classifier stand in a checkpoint.

    Args:
        rows (int): Their number.
        priors (int): Anchors at a place there.
        classes (int): Number of classes by the box layer; 0 if that does not tell.
        here (Outputs): How they stand in the model.
        names (Sequence[str] | None): Names of the classes of the checkpoint, if known.
    """
    if not priors or rows % priors:
        return None
    outputs = rows // priors
    told = classes, len(names or ()), outputs - here.background
    for number in told:
        if number > 0 and outputs - number in (0, 1, here.background):
            return Outputs(priors, number, 1, outputs - number)
    return None
