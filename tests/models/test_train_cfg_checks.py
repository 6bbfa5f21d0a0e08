"""A train_cfg that does not suit a ranking is found before training."""

import re
from pathlib import Path

import pytest
from mmdet.models.task_modules import BaseSampler
from mmengine.config import Config

from alrp_mmdet.config.file import ConfigError
from alrp_mmdet.models.train_cfg_checks import check_train_cfg

CONFIGS = Path(__file__).parents[2] / 'configs'
FASTER_RCNN = 'faster_rcnn/alrp_faster-rcnn_r50_fpn_1x_coco.py'
CASCADE_RCNN = 'cascade_rcnn/rs_cascade-rcnn_r50_fpn_1x_coco.py'
FEW = dict(type='RandomSampler', num=512, pos_fraction=0.25)  # as in MMDetection's configs


def read(name: str):
    return Config.fromfile(CONFIGS / name).model


@pytest.mark.parametrize('kind', ['RandomSampler', 'mmdet.RandomSampler'])
def test_anchors_that_are_sampled(kind):
    model = read(FASTER_RCNN)
    model.train_cfg.rpn.sampler = dict(FEW, type=kind, num=256)
    with pytest.raises(ConfigError) as error:
        check_train_cfg(model)
    text = str(error.value)
    assert re.search(r'train_cfg\.rpn\.sampler.*RandomSampler\(num=256\)', text)
    assert 'PseudoSampler' in text


@pytest.mark.parametrize(
    'settings, keeps_all',
    [
        (dict(num=512), False),
        (dict(num=5000), False),  # 1250 positives
        (dict(num=10_000), True),
        (dict(num=2500, pos_fraction=0.9), False),  # maybe 500 negatives
        (dict(num=1e10, pos_fraction=1, neg_pos_ub=3), False),
        (dict(num=1e10, pos_fraction=1, neg_pos_ub=1e10), True),  # published for RS Loss
    ],
)
def test_rois_may_be_sampled_if_all_are_kept(settings, keeps_all):
    model = read(FASTER_RCNN)
    assert model.train_cfg.rpn_proposal.max_per_img == 1000
    model.train_cfg.rcnn.sampler = {**FEW, 'add_gt_as_proposals': True, **settings}
    if keeps_all:
        check_train_cfg(model)
        return
    with pytest.raises(ConfigError, match=rf'train_cfg\.rcnn\.sampler.*num={settings["num"]}'):
        check_train_cfg(model)


class AllSampler(BaseSampler):
    """A user's sampler, which takes all RoIs."""

    def __init__(self, **kwargs):
        super().__init__(num=0, pos_fraction=1, **kwargs)

    _sample_pos = _sample_neg = None


def test_a_sampler_of_the_user_may_take_all():
    model = read(FASTER_RCNN)
    model.train_cfg.rcnn.sampler = dict(_delete_=True, type=AllSampler, add_gt_as_proposals=True)
    check_train_cfg(model)


def test_the_number_of_proposals_may_be_that_of_tests():
    model = read(FASTER_RCNN)
    del model.train_cfg['rpn_proposal']
    model.train_cfg.rcnn.sampler = dict(FEW, num=10_000)
    assert model.test_cfg.rpn.max_per_img == 1000
    check_train_cfg(model)
    del model.test_cfg.rpn['max_per_img']
    with pytest.raises(ConfigError, match=r'train_cfg\.rcnn\.sampler'):
        check_train_cfg(model)


def test_anchors_of_one_stage_detectors():
    model = read('retinanet/rs_retinanet_r50_fpn_1x_coco.py')
    model.train_cfg.sampler = FEW
    with pytest.raises(ConfigError, match=r'train_cfg\.sampler is a RandomSampler\(num=512\)'):
        check_train_cfg(model)


def test_the_stage_is_named():
    model = read(CASCADE_RCNN)
    model.train_cfg.rcnn[2].sampler = FEW
    with pytest.raises(ConfigError, match=r'train_cfg\.rcnn\.2\.sampler'):
        check_train_cfg(model)


def test_heads_that_do_not_rank_may_sample():
    check_train_cfg(read('faster_rcnn/ce_l1_faster-rcnn_r50_fpn_100e_coco500.py'))


def test_models_within_models():
    model = read(FASTER_RCNN)
    model.train_cfg.rpn.sampler = FEW
    with pytest.raises(ConfigError, match=r'train_cfg\.rpn\.sampler'):
        check_train_cfg(dict(type='SoftTeacher', detector=model))


@pytest.mark.parametrize('key', ['train_cfg.rpn', 'train_cfg.rcnn'])
def test_positives_cannot_be_weighted(key):
    model = read(FASTER_RCNN)
    settings = model.train_cfg[key.split('.')[1]]
    for weight in (-1, 0, 1):  # MMDetection takes 0 and less for 1
        settings.pos_weight = weight
        check_train_cfg(model)
    settings.pos_weight = 4
    with pytest.raises(ConfigError, match=f'{key}.pos_weight is 4'):
        check_train_cfg(model)


def test_tau_is_compared_with_the_iou_of_positives():
    model = read(FASTER_RCNN)
    assert check_train_cfg(model) == []
    model.train_cfg.rcnn.assigner.pos_iou_thr = 0.6
    [text] = check_train_cfg(model)
    assert '0.5 in ALRPBBoxHead' in text and 'train_cfg.rcnn.assigner.pos_iou_thr is 0.6' in text
    model.roi_head.bbox_head.loss_cls.tau = 0.6
    del model.rpn_head['loss_cls']  # its default suits it
    assert check_train_cfg(model) == []
    model.rpn_head.loss_cls = dict(type='aLRPLoss')
    [text] = check_train_cfg(model)
    assert '0.5 in ALRPRPNHead' in text
    model.rpn_head.loss_cls = dict(type='RankSortLoss')
    assert check_train_cfg(model) == []
    cascade = read('cascade_rcnn/alrp_cascade-rcnn_r50_fpn_1x_coco.py')
    cascade.roi_head.bbox_head[2].loss_cls.tau = 0.5
    assert 'train_cfg.rcnn.2.assigner' in check_train_cfg(cascade)[0]
