"""A detector as a file that runs without MMDetection."""

import importlib.util
import io
import json
import warnings

import torch
from mmengine.config import Config
from torch import Tensor, nn

from alrp.text import describe_error

from .raw_detector import ExportError, RawDetector

KEY = 'alrp_mmdet'  # of the description within a file
TOLERANCE = dict(rtol=1e-4, atol=1e-4)


def describe(raw: RawDetector, cfg: Config) -> dict:
    """What has to be known to feed an exported detector, and to make detections of its boxes.

    Returns:
        dict: ``classes``, ``size`` (width, height), ``pad``, the colour (BGR) of what an image
        leaves free, and the config's ``test_cfg``. Can be written as JSON.
    """
    mean = raw.mean.flatten().tolist()
    return dict(
        classes=list(raw.detector.dataset_meta['classes']),
        size=[raw.width, raw.height],
        pad=mean[::-1] if raw.flips else mean,
        test_cfg=cfg.model.test_cfg.to_dict(),
    )


def to_torchscript(raw: RawDetector, about: dict) -> bytes:
    """A TorchScript file with ``about`` under ``_extra_files``.

    Raises:
        ExportError: If torch cannot trace the model.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # torch recommends torch.export instead, which does not run in C++ by itself.
        warnings.simplefilter('ignore')
        try:
            traced = torch.jit.trace(_OfOneSize(raw), _pictures(raw, 1), check_trace=False)
            torch.jit.save(traced, buffer, _extra_files={KEY: json.dumps(about)})
        except RuntimeError as error:
            raise ExportError(f'torch cannot trace this model: {describe_error(error)}') from error
        buffer.seek(0)
        check_equal(raw, torch.jit.load(buffer, map_location=raw.mean.device))
    return buffer.getvalue()


def to_onnx(raw: RawDetector, about: dict) -> bytes:
    """An ONNX file for any number of images at a time, with ``about`` among its metadata.

    Raises:
        ExportError: If packages are missing, or if torch cannot export the model.
    """
    missing = [name for name in ('onnx', 'onnxscript') if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(f'ONNX needs {" and ".join(missing)}: pip install onnx onnxscript')
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        try:
            program = torch.onnx.export(
                raw,
                (_pictures(raw, 2),),
                input_names=['images'],
                output_names=['scores', 'boxes'],
                dynamic_shapes=({0: torch.export.Dim('batch')},),
                dynamo=True,
                verbose=False,
            )
        except Exception as error:  # of any of the passes
            while error.__cause__ is not None:
                error = error.__cause__
            raise ExportError(
                f'torch cannot export this model to ONNX: {describe_error(error)}'
            ) from error
        program.model.metadata_props[KEY] = json.dumps(about)
        content = program.model_proto.SerializeToString()
        if importlib.util.find_spec('onnxruntime') is not None:
            check_equal(raw, onnx_function(content))
    return content


def onnx_function(content: bytes):
    """An ONNX file as a function of tensors; needs onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])

    def run(images: Tensor) -> list[Tensor]:
        return [torch.from_numpy(x) for x in session.run(None, {'images': images.cpu().numpy()})]

    return run


def check_equal(raw: RawDetector, exported) -> None:
    """See to it that an exported detector gives what the model gives.

    Raises:
        ExportError: If they differ by more than 1e-4, of a number above 1 in proportion.
    """
    for num_images in (1, 2):
        images = _pictures(raw, num_images)
        for name, ours, theirs in zip(('scores', 'boxes'), raw(images), exported(images)):
            theirs = theirs.to(ours.device)
            if not torch.allclose(ours, theirs, **TOLERANCE):
                difference = (ours - theirs).abs().max().item()
                raise ExportError(
                    f'the exported {name} differ from those of the model by up to '
                    f'{difference:g}: nothing was written'
                )


class _OfOneSize(nn.Module):
    """Says so where an input has another size: tracing has written down every size within."""

    def __init__(self, raw: RawDetector):
        super().__init__()
        self.raw = raw

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.raw(_check_shape(images, self.raw.height, self.raw.width))


@torch.jit.script
def _check_shape(images: Tensor, height: int, width: int) -> Tensor:
    if images.dim() != 4 or images.shape[1:] != [3, height, width]:
        raise ValueError(
            f'This detector was exported for images (N, 3, {height}, {width}), '
            f'but these are {images.shape}'
        )
    return images


def _pictures(raw: RawDetector, num_images: int) -> Tensor:
    generator = torch.Generator().manual_seed(num_images)
    pictures = torch.rand(num_images, 3, raw.height, raw.width, generator=generator)
    return (pictures * 255).to(raw.mean.device)
