"""MMDetection's inferencer with checks of the checkpoint, classes and images."""

import contextlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmdet.apis import DetInferencer
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from alrp.text import describe_error, format_list

from ..config.nodes import heads_of
from ..config.types import normalise_types
from ..datasets.palettes import full_palette, set_palettes
from ..drawing import class_colours, detections_picture
from ..transfer.fine_tuning import check_fits
from .inputs import InputError


def find_work_dir_config(checkpoint: str) -> str:
    """Find the config that training wrote into its work dir.

    A config is code. The config text in a checkpoint is therefore not used, and a ``.py`` file next
    to a checkpoint only if the folder is a work dir, where MMEngine writes ``last_checkpoint``.

    Args:
        checkpoint (str): Path of the checkpoint.

    Returns:
        str: Path of the config.

    Raises:
        InputError: If there is no config, or more than one.
    """
    folder = Path(checkpoint).parent
    configs = sorted(folder.glob('*.py')) if (folder / 'last_checkpoint').is_file() else []
    if len(configs) == 1:
        return str(configs[0])
    several = f'{folder} has several configs ({", ".join(path.name for path in configs)})'
    none = f'{folder} is not a work dir with a config and last_checkpoint'
    raise InputError(f'give --config: {several if configs else none}')


class Detector(DetInferencer):
    """A detector whose checkpoint fits completely, and which draws detections itself.

    Args:
        cfg (Config): The config, with a ``test_dataloader``.
        checkpoint (str): Path or URL of the checkpoint.
        device (str, optional): The device. Defaults to the GPU, if there is one.

    Raises:
        CheckpointError: If the checkpoint cannot be read, or does not fit the model.
        InputError: If the model cannot be built, or the device cannot be used.
    """

    def __init__(self, cfg: Config, checkpoint: str, device: str | None = None):
        self.checkpoint = checkpoint
        cfg = normalise_types(cfg.copy())
        set_palettes(cfg)
        with _input_errors(device):
            super().__init__(cfg, checkpoint, device, show_progress=False)

    @property
    def classes(self) -> Sequence[str]:
        """Class names in the order of labels."""
        return self.model.dataset_meta['classes']

    def load(self, image: str | np.ndarray) -> dict:
        """Read an image and apply the test pipeline of the config.

        Args:
            image (str | np.ndarray): Path of a file, or an image (H, W, 3), uint8, BGR.

        Returns:
            dict: The input of ``detect``.

        Raises:
            OSError: If the file is not a readable image.
        """
        try:
            return self.pipeline(image)
        except Exception:
            # Each transform fails in its own way. An unreadable file must be an OSError.
            if isinstance(image, str):
                read_image(image)
            raise

    def detect(self, loaded: Sequence[dict]) -> list[DetDataSample]:
        """Detect in a batch of results of ``load``. Boxes are in pixels of the original images."""
        return self.forward(self.collate_fn(list(loaded)))

    def draw(self, image: np.ndarray, sample: DetDataSample) -> np.ndarray:
        """Draw all detections on a copy of an image, (H, W, 3), uint8, BGR."""
        if 'pred_instances' not in sample:
            return image.copy()
        found = sample.pred_instances.cpu().numpy()
        rgb = np.ascontiguousarray(image[..., ::-1])
        colours = class_colours(self.model.dataset_meta['palette'])
        return np.ascontiguousarray(
            detections_picture(rgb, found, self.classes, colours)[..., ::-1]
        )

    def _init_visualizer(self, cfg: Config) -> None:
        """Build none: its backends could create folders, or start a run on a server."""

    def _init_collate(self, cfg: Config) -> Callable:
        return pseudo_collate  # MMEngine looks for it in a registry that MMDetection does not have

    def _load_weights_to_model(self, model, checkpoint, cfg) -> None:
        check_fits(model, checkpoint, self.checkpoint)
        super()._load_weights_to_model(model, checkpoint, cfg)
        if not {'dataset_meta', 'CLASSES'} & (checkpoint.get('meta') or {}).keys():
            # MMDetection would use the class names of COCO.
            dataset = DATASETS.build({**cfg.test_dataloader.dataset, 'lazy_init': True})
            model.dataset_meta['classes'] = dataset.metainfo['classes']
        classes = model.dataset_meta['classes']
        model.dataset_meta['palette'] = full_palette(model.dataset_meta['palette'], len(classes))
        for head, num_classes in heads_of(cfg.model):
            if num_classes != len(classes):
                raise InputError(
                    f'{head} has {num_classes} classes, but there are {len(classes)} class names '
                    f'({format_list(classes)}). Set metainfo of the test dataset in the config'
                )


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read an image (H, W, 3), uint8, BGR.

    Raises:
        OSError: If the file is not a readable image.
    """
    try:
        image = mmcv.imread(path)
    except Exception as error:  # MMCV has several backends with their own errors
        raise OSError(describe_error(error)) from error
    if image is None:
        raise OSError('damaged file or unknown format')
    return image


@contextlib.contextmanager
def _input_errors(device: str | None):
    """Raise ``InputError`` for the errors that a wrong config or device causes."""
    try:
        if device is not None:
            torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f'cannot use the device {device}: {describe_error(error)}') from error
    try:
        yield
    except InputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, ImportError, AssertionError) as error:
        raise InputError(
            f'cannot build the model of this config: {describe_error(error)}'
        ) from error
