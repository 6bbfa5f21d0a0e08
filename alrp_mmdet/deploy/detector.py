"""MMDetection's inferencer, less what may go wrong silently."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
import torch
from mmdet.apis import DetInferencer
from mmdet.registry import DATASETS
from mmdet.structures import DetDataSample
from mmengine.config import Config

from alrp.text import describe_error, format_list

from ..datasets.check import heads_of
from ..transfer.fine_tuning import check_fits
from .inputs import InputError


def config_beside(checkpoint: str) -> str:
    """The config that a training wrote into its work dir.

    The config text within a checkpoint is never used: to read it is to run it, and it comes from
    wherever the checkpoint does. For the same reason a file beside the checkpoint counts only in
    what is the work dir of a training, which has MMEngine's note of the last checkpoint.

    Args:
        checkpoint (str): Path of the checkpoint.

    Returns:
        str: Path of the config.

    Raises:
        InputError: If there is none, or more than one.
    """
    folder = Path(checkpoint).parent
    configs = sorted(folder.glob('*.py')) if (folder / 'last_checkpoint').is_file() else []
    if len(configs) == 1:
        return str(configs[0])
    several = f'{folder} has several ({", ".join(path.name for path in configs)})'
    none = f'{folder} is not the work dir of a training that wrote its own'
    raise InputError(f'--config is needed: {several if configs else none}')


class Detector(DetInferencer):
    """A detector that is known to have all its weights, and draws without writing elsewhere.

    Args:
        cfg (Config): Its config, with a ``test_dataloader``.
        checkpoint (str): Path or URL of its checkpoint.
        device (str, optional): Where it runs. Defaults to the GPU, if there is one.

    Raises:
        CheckpointError: If the checkpoint cannot be read, or is not one of this model.
        InputError: If the model cannot be built, or if there is no such device.
    """

    def __init__(self, cfg: Config, checkpoint: str, device: str | None = None):
        self.checkpoint = checkpoint
        cfg = cfg.copy()
        # A backend of the config's would make folders, or start a run on somebody's server.
        cfg.visualizer = dict(cfg.get('visualizer') or dict(type='DetLocalVisualizer'))
        cfg.visualizer['vis_backends'] = None
        with _told_in_a_line(device):
            super().__init__(cfg, checkpoint, device, show_progress=False)

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes, in the order of labels."""
        return self.model.dataset_meta['classes']

    def load(self, image: str | np.ndarray) -> dict:
        """Read an image and make it ready, as the config's test pipeline says.

        Args:
            image (str | np.ndarray): Path of a file, or an image (H, W, 3), uint8, BGR.

        Returns:
            dict: For ``detect``.

        Raises:
            OSError: If it is not a readable image.
        """
        try:
            return self.pipeline(image)
        except Exception:
            # Whose fault it is depends on the transform; a file that does not open is told apart.
            if isinstance(image, str):
                read_image(image)
            raise

    def detect(self, loaded: Sequence[dict]) -> list[DetDataSample]:
        """Detections in a batch of what ``load`` gave, boxes in pixels of the original images."""
        return self.forward(self.collate_fn(list(loaded)))

    def draw(self, image: np.ndarray, sample: DetDataSample) -> np.ndarray:
        """Draw all the detections of an image on a copy of it. (H, W, 3), uint8, BGR, both."""
        rgb = np.ascontiguousarray(image[..., ::-1])
        self.visualizer.add_datasample('', rgb, sample, draw_gt=False, pred_score_thr=-1)
        return np.ascontiguousarray(self.visualizer.get_image()[..., ::-1])

    def _load_weights_to_model(self, model, checkpoint, cfg) -> None:
        check_fits(model, checkpoint, self.checkpoint)
        super()._load_weights_to_model(model, checkpoint, cfg)
        if not {'dataset_meta', 'CLASSES'} & (checkpoint.get('meta') or {}).keys():
            # MMDetection would call the classes by the names of COCO's.
            dataset = DATASETS.build({**cfg.test_dataloader.dataset, 'lazy_init': True})
            model.dataset_meta['classes'] = dataset.metainfo['classes']
        classes = model.dataset_meta['classes']
        for head, num_classes in heads_of(cfg.model, 'model'):
            if num_classes != len(classes):
                raise InputError(
                    f'{head} has {num_classes} classes, but names are known of {len(classes)} '
                    f'({format_list(classes)}): set metainfo of the test data set in the config'
                )


def read_image(path: str | os.PathLike) -> np.ndarray:
    """An image (H, W, 3), uint8, BGR.

    Raises:
        OSError: If there is none.
    """
    try:
        image = mmcv.imread(path)
    except Exception as error:  # of one of several libraries
        raise OSError(describe_error(error)) from error
    if image is None:
        raise OSError('it is damaged, or of an unknown format')
    return image


@contextlib.contextmanager
def _told_in_a_line(device: str | None):
    """What a user's config or ``--device`` may lead to, MMDetection says by many types of error."""
    try:
        if device is not None:
            torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f'the device {device} cannot be used: {describe_error(error)}') from error
    try:
        yield
    except (KeyError, TypeError, AttributeError, ImportError, AssertionError) as error:
        raise InputError(
            f'the model of this config cannot be built: {describe_error(error)}'
        ) from error
