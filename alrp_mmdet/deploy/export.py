"""Export a detector as ONNX or TorchScript, which run without MMDetection."""

import importlib.util
import io
import json
import warnings

import torch
from mmengine.config import Config
from torch import Tensor, nn

from alrp.lrp.calibration import Calibration
from alrp.text import describe_error

from ..config.types import type_name
from .inputs import InputError
from .raw_detector import ExportError, RawDetector

METADATA_KEY = 'alrp_mmdet'  # of the metadata in an exported file
TOLERANCE = dict(rtol=1e-4, atol=1e-4)


def default_size(cfg: Config) -> tuple[int, int]:
    """Width and height of the test pipeline, rounded up to multiples of ``pad_size_divisor``."""
    pipeline = cfg.test_dataloader.dataset.pipeline
    scales = [t.get('scale') for t in pipeline if type_name(t) == 'Resize']
    if not scales or scales[-1] is None:
        raise InputError('give --size: the test pipeline does not resize to a fixed size')
    divisor = cfg.model.data_preprocessor.get('pad_size_divisor', 1)
    width, height = (-(-side // divisor) * divisor for side in scales[-1])
    return width, height


def export_metadata(raw: RawDetector, cfg: Config, calibration: Calibration | None = None) -> dict:
    """The metadata needed to prepare images and postprocess boxes of an exported detector.

    Calibration is metadata, not a part of the exported network, because it comes after NMS:
    ``score_thr``, ``nms_pre`` and ``max_per_img`` are for the scores of the model.

    Returns:
        dict: ``classes``; ``size`` (width, height); ``pad``, the padding colour (BGR); ``test_cfg``
        of the config; and with a calibration ``calibration``, the scores and calibrated scores of
        each class by name, for ``numpy.interp``. All values can be written as JSON.
    """
    mean = raw.mean.flatten().tolist()
    metadata = dict(
        classes=list(raw.detector.dataset_meta['classes']),
        size=[raw.width, raw.height],
        pad=mean[::-1] if raw.flips else mean,
        test_cfg=cfg.model.test_cfg.to_dict(),
    )
    if calibration is not None:
        metadata['calibration'] = {
            name: [curve.scores.tolist(), curve.calibrated.tolist()]
            for name, curve in calibration.curves.items()
        }
    return metadata


def to_torchscript(raw: RawDetector, metadata: dict) -> bytes:
    """Export to TorchScript, with the metadata in ``_extra_files``.

    Raises:
        ExportError: If torch cannot trace the model.
    """
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # torch recommends torch.export, whose files do not run in C++ without compilation.
        warnings.simplefilter('ignore')
        try:
            traced = torch.jit.trace(_FixedSize(raw), _random_images(raw, 1), check_trace=False)
            torch.jit.save(traced, buffer, _extra_files={METADATA_KEY: json.dumps(metadata)})
        except RuntimeError as error:
            raise ExportError(f'torch cannot trace the model: {describe_error(error)}') from error
        buffer.seek(0)
        check_equal(raw, torch.jit.load(buffer, map_location=raw.mean.device))
    return buffer.getvalue()


def to_onnx(raw: RawDetector, metadata: dict) -> bytes:
    """Export to ONNX with a dynamic batch size, with the metadata in ``metadata_props``.

    Raises:
        ExportError: If packages are missing, or if torch cannot export the model.
    """
    missing = [name for name in ('onnx', 'onnxscript') if importlib.util.find_spec(name) is None]
    if missing:
        raise ExportError(f'ONNX export needs {" and ".join(missing)}: pip install onnx onnxscript')
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')
        try:
            program = torch.onnx.export(
                raw,
                (_random_images(raw, 2),),
                input_names=['images'],
                output_names=['scores', 'boxes'],
                dynamic_shapes=({0: torch.export.Dim('batch')},),
                dynamo=True,
                verbose=False,
            )
        except Exception as error:  # each pass of the exporter has its own errors
            while error.__cause__ is not None:
                error = error.__cause__
            raise ExportError(
                f'torch cannot export the model to ONNX: {describe_error(error)}'
            ) from error
        program.model.metadata_props[METADATA_KEY] = json.dumps(metadata)
        content = program.model_proto.SerializeToString()
        if importlib.util.find_spec('onnxruntime') is not None:
            check_equal(raw, onnx_function(content))
    return content


def onnx_function(content: bytes):
    """Run an ONNX file as a function of tensors. Needs onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])

    def run(images: Tensor) -> list[Tensor]:
        return [torch.from_numpy(x) for x in session.run(None, {'images': images.cpu().numpy()})]

    return run


def check_equal(raw: RawDetector, exported) -> None:
    """Compare an exported detector with the model on random images.

    Raises:
        ExportError: If they differ by more than 1e-4 + 1e-4 * value.
    """
    for num_images in (1, 2):
        images = _random_images(raw, num_images)
        for name, ours, theirs in zip(('scores', 'boxes'), raw(images), exported(images)):
            theirs = theirs.to(ours.device)
            if not torch.allclose(ours, theirs, **TOLERANCE):
                difference = (ours - theirs).abs().max().item()
                raise ExportError(
                    f'the {name} of the exported detector differ from the model by up to '
                    f'{difference:g}; nothing was written'
                )


class _FixedSize(nn.Module):
    """Raises an error for other input sizes: tracing makes all sizes constant."""

    def __init__(self, raw: RawDetector):
        super().__init__()
        self.raw = raw

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.raw(_check_shape(images, self.raw.height, self.raw.width))


@torch.jit.script
def _check_shape(images: Tensor, height: int, width: int) -> Tensor:
    if images.dim() != 4 or images.shape[1:] != [3, height, width]:
        raise ValueError(
            f'This detector was exported for images (N, 3, {height}, {width}), got {images.shape}'
        )
    return images


def _random_images(raw: RawDetector, num_images: int) -> Tensor:
    generator = torch.Generator().manual_seed(num_images)
    images = torch.rand(num_images, 3, raw.height, raw.width, generator=generator)
    return (images * 255).to(raw.mean.device)


EXPORTERS = {'.onnx': to_onnx, '.pt': to_torchscript}  # by the suffix of the file
