"""Layers with outputs for each class, and how to load them for other classes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmdet.models import AnchorFreeHead, AnchorHead, BBoxHead, FCNMaskHead, RPNHead, SOLOHead
from torch import Tensor, nn

from alrp.text import format_list

Names = Sequence[str] | None


@dataclass(frozen=True)
class OutputLayout:
    """Order of the outputs of a layer: by prior, then by class, then by value.

    Args:
        priors (int): Anchors per location; 1 for heads without anchors.
        classes (int): Number of classes.
        values (int): Numbers per class: 1 for a logit, 4 for a box.
        background (int): 1 if the last output of a softmax is the background, else 0.
    """

    priors: int
    classes: int
    values: int = 1
    background: int = 0

    def view(self, tensor: Tensor) -> Tensor:
        """Reshape weights (outputs, ...) or biases (outputs,) to (priors, classes, values, ...)."""
        shape = self.priors, self.classes + self.background, self.values, *tensor.shape[1:]
        return tensor.reshape(shape)

    def __len__(self) -> int:
        return self.priors * (self.classes + self.background) * self.values


@dataclass(frozen=True)
class ClassLayer:
    """A layer of a model with outputs for each class.

    Args:
        name (str): Its name in the model.
        model (OutputLayout): Its outputs in the model.
        checkpoint (OutputLayout | None): Its outputs in the checkpoint; None if they are unknown.
    """

    name: str
    model: OutputLayout
    checkpoint: OutputLayout | None

    def mismatch(self, classes: Names, checkpoint_classes: Names) -> str | None:
        """Why the layer cannot be loaded unchanged, or None if it can.

        Args:
            classes (Sequence[str] | None): Class names of the model, if known.
            checkpoint_classes (Sequence[str] | None): Class names of the checkpoint, if known.
        """
        ours, theirs = self.model, self.checkpoint
        if theirs is None:
            return 'its number of outputs in the checkpoint does not fit this kind of head'
        if theirs.priors != ours.priors:
            return (
                f'{theirs.priors} anchors per location in the checkpoint, {ours.priors} in the '
                'model'
            )
        if theirs.classes != ours.classes:
            return f'{theirs.classes} classes in the checkpoint, {ours.classes} in the model'
        if classes and checkpoint_classes and list(classes) != list(checkpoint_classes):
            names = format_list(checkpoint_classes)
            if sorted(classes) == sorted(checkpoint_classes):
                return f'the checkpoint has the same classes in another order: {names}'
            return f'the checkpoint has other classes: {names}'
        if theirs.background != ours.background:
            owner = 'checkpoint' if theirs.background else 'model'
            return f'only the {owner} has an output for the background'
        return None

    def merge(
        self,
        weights: Tensor,
        checkpoint_weights: Tensor,
        classes: Sequence[str],
        checkpoint_classes: Sequence[str],
    ) -> Tensor:
        """Replace the outputs of the classes whose names match with the checkpoint's.

        A softmax determines its logits only up to a constant. If only the checkpoint has an output
        for the background, that output is subtracted from the others.

        Args:
            weights (Tensor): Weights or biases of the model, (outputs, ...).
            checkpoint_weights (Tensor): Weights or biases of the checkpoint, (outputs there, ...).
            classes (Sequence[str]): Class names of the model.
            checkpoint_classes (Sequence[str]): Class names of the checkpoint.

        Returns:
            Tensor: A changed copy of ``weights``.
        """
        merged = weights.clone()
        target = self.model.view(merged)
        source = self.checkpoint.view(checkpoint_weights).to(weights)
        if self.checkpoint.background:
            if self.model.background:
                target[:, -1] = source[:, -1]
            else:
                source = source - source[:, -1:]
        for i, name in enumerate(classes):
            if name in checkpoint_classes:
                target[:, i] = source[:, checkpoint_classes.index(name)]
        return target.reshape(weights.shape)


def class_layers(
    model: nn.Module, found: dict[str, Tensor], checkpoint_classes: Names
) -> Iterator[ClassLayer]:
    """Find the layers with outputs for each class that a checkpoint has.

    Args:
        model (nn.Module): A detector with MMDetection's heads on anchors, points, cells or RoIs.
        found (dict[str, Tensor]): Weights of the checkpoint under the names of the model.
        checkpoint_classes (Sequence[str] | None): Class names of the checkpoint, if known.

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
            ours = OutputLayout(1, head.num_classes, 1, rows(logits, own) - head.num_classes)
            classes = rows(boxes, found) // values if values else 0
            theirs = _checkpoint_layout(rows(logits, found), 1, classes, ours, checkpoint_classes)
            if rows(logits, found):
                yield ClassLayer(logits, ours, theirs)
            if values and rows(boxes, found):
                theirs = theirs and OutputLayout(1, theirs.classes, values)
                fits = theirs and len(theirs) == rows(boxes, found)
                ours = OutputLayout(1, ours.classes, values)
                yield ClassLayer(boxes, ours, theirs if fits else None)
        elif isinstance(head, FCNMaskHead) and not head.class_agnostic:
            masks = f'{path}.conv_logits'
            if rows(masks, found):
                ours, theirs = head.num_classes, rows(masks, found)
                yield ClassLayer(masks, OutputLayout(1, ours), OutputLayout(1, theirs))
        elif isinstance(head, SOLOHead):
            logits = f'{path}.conv_cls'
            background = head.cls_out_channels - head.num_classes
            ours = OutputLayout(1, head.num_classes, 1, background)
            theirs = _checkpoint_layout(rows(logits, found), 1, 0, ours, checkpoint_classes)
            if rows(logits, found):
                yield ClassLayer(logits, ours, theirs)
        elif isinstance(head, (AnchorHead, AnchorFreeHead)):
            for child in head._modules:
                logits, boxes = f'{path}.{child}', f'{path}.{child.removesuffix("_cls")}_reg'
                background = head.cls_out_channels - head.num_classes
                ours = OutputLayout(head.num_base_priors, head.num_classes, 1, background)
                if not child.endswith('_cls') or rows(logits, own) != len(ours):
                    continue
                per_prior = rows(boxes, own) // ours.priors
                priors = rows(boxes, found) // per_prior if per_prior else ours.priors
                theirs = _checkpoint_layout(
                    rows(logits, found), priors, 0, ours, checkpoint_classes
                )
                if rows(logits, found):
                    yield ClassLayer(logits, ours, theirs)


def _checkpoint_layout(
    rows: int, priors: int, classes: int, ours: OutputLayout, names: Names
) -> OutputLayout | None:
    """Infer the layout of a classifier in a checkpoint; None if that is impossible.

    Args:
        rows (int): Number of its outputs.
        priors (int): Anchors per location in the checkpoint.
        classes (int): Number of classes according to the box layer; 0 if unknown.
        ours (OutputLayout): Layout in the model.
        names (Sequence[str] | None): Class names of the checkpoint, if known.
    """
    if not priors or rows % priors:
        return None
    outputs = rows // priors
    candidates = classes, len(names or ()), outputs - ours.background
    for number in candidates:
        if number > 0 and outputs - number in (0, 1, ours.background):
            return OutputLayout(priors, number, 1, outputs - number)
    return None
