from collections.abc import Iterator
from typing import Any

from mmcv.transforms import LoadImageFromFile
from mmdet.registry import HOOKS
from mmengine.hooks import Hook

from alrp.text import describe_error

from ..errors import ImageReadError


@HOOKS.register_module()
class ImageErrorHook(Hook):
    """Names the file if an image cannot be read during a run.

    The errors of MMCV and OpenCV for an empty or damaged file do not have its name. Pipelines that
    are replaced during the run keep their errors.
    """

    def before_run(self, runner) -> None:
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            for dataset in _leaves(getattr(getattr(loop, 'dataloader', None), 'dataset', None)):
                transforms = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
                for i, transform in enumerate(transforms):
                    if isinstance(transform, LoadImageFromFile):
                        transforms[i] = NamedErrors(transform)


class NamedErrors:
    """Calls a transform that loads images, and names the file in its errors.

    Args:
        load (LoadImageFromFile): The transform.
    """

    def __init__(self, load: LoadImageFromFile):
        self.load = load

    def __call__(self, results: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return self.load(results)
        except (FileNotFoundError, AssertionError) as error:  # MMCV's messages have the name
            raise ImageReadError(f'an image cannot be read: {error}') from error
        except MemoryError:
            raise
        except Exception as error:  # of OpenCV or a storage backend
            path = results.get('img_path')
            raise ImageReadError(
                f'the image {path} cannot be read: {describe_error(error)}'
            ) from error

    def __repr__(self) -> str:
        return repr(self.load)


def _leaves(dataset: Any) -> Iterator[Any]:
    """The datasets inside wrappers."""
    inner = getattr(dataset, 'datasets', None) or [getattr(dataset, 'dataset', None)]
    if dataset is None or inner == [None]:
        yield dataset
        return
    for wrapped in inner:
        yield from _leaves(wrapped)
