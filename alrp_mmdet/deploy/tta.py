"""Test-time augmentation of any box detector: each image and its mirror image."""

from mmengine.config import Config, ConfigDict

from ..config.file import ConfigError
from ..config.nodes import heads_of
from ..config.types import type_name
from ..datasets.leaves import leaves

META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')


def use_tta(cfg: Config) -> None:
    """Test with ``tta_model`` and ``tta_pipeline`` of a config, or with mirror images.

    By default, the detections in an image and in its mirror image are merged by the NMS of the
    model.

    Args:
        cfg (Config): The config, changed in place.

    Raises:
        ConfigError: If the model has masks, which MMDetection cannot merge, or the test pipeline
            does not end with ``PackDetInputs``.
    """
    tta_model = cfg.get('tta_model') or _default_model(cfg.model)
    for dataset in leaves(cfg.test_dataloader):
        pipeline = cfg.get('tta_pipeline') or _with_mirror_images(dataset.get('pipeline') or [])
        dataset.pipeline = pipeline
    cfg.model = ConfigDict(tta_model, module=cfg.model)


def _default_model(model: ConfigDict) -> ConfigDict:
    if any('mask_head' in place for place, _ in heads_of(model)):
        raise ConfigError(
            '--tta merges boxes only, but the model has masks. Test it without --tta, or set '
            'tta_model in the config'
        )
    test_cfg = model.get('test_cfg') or {}
    test_cfg = test_cfg.get('rcnn') or test_cfg
    nms = test_cfg.get('nms') or dict(type='nms', iou_threshold=0.5)
    tta_cfg = dict(nms=nms, max_per_img=test_cfg.get('max_per_img', 100))
    return ConfigDict(type='DetTTAModel', tta_cfg=tta_cfg)


def _with_mirror_images(pipeline: list[ConfigDict]) -> list[ConfigDict]:
    if not pipeline or type_name(pipeline[-1]) != 'PackDetInputs':
        raise ConfigError(
            '--tta needs a test pipeline that ends with PackDetInputs: set tta_pipeline in the '
            'config'
        )
    *steps, pack = pipeline
    keys = [*pack.get('meta_keys', META_KEYS), 'flip', 'flip_direction']
    pack = dict(pack, meta_keys=tuple(dict.fromkeys(keys)))
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    return [*steps, ConfigDict(type='TestTimeAug', transforms=[flips, [pack]])]
