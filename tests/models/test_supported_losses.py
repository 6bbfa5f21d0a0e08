"""Every head with every ranking loss, and the table of these pairs in docs/models.md."""

import inspect
from pathlib import Path

import pytest
import solov2_helpers
import torch
import yolact_helpers
from head_helpers import (
    HEADS,
    NMS,
    NOTHING,
    OBJECTS,
    batch,
    box_head,
    build,
    features,
    losses_of,
    rois_of_two_images,
    total,
)
from mmengine.config import ConfigDict

import alrp_mmdet.models
from alrp_mmdet.models import RankingHeadMixin, RankingLoss

PAGE = Path(__file__).parents[2] / 'docs' / 'models.md'
BEGIN, END = '<!-- losses of heads -->\n', '<!-- end of losses of heads -->'
CLASSES = [x for x in vars(alrp_mmdet.models).values() if inspect.isclass(x)]
LOSSES = ['aLRPLoss', 'APLoss', 'RankSortLoss']
DETECTORS = dict(
    ALRPRetinaHead='RetinaNet',
    ALRPATSSHead='ATSS',
    ALRPPAAHead='PAA',
    ALRPFoveaHead='FoveaBox',
    ALRPRPNHead='first stage of Faster and Cascade R-CNN',
    ALRPBBoxHead='further stages of Faster and Cascade R-CNN',
    ALRPYOLACTHead='YOLACT',
    ALRPSOLOV2Head='SOLOv2',
)
# A bounded loss on boxes, an unbounded one, and one on encoded boxes.
BOX_LOSSES = dict(GIoULoss=True, EIoULoss=True, SmoothL1Loss=False)
MEANING = {1: 'bounded IoU losses', 2: 'IoU losses', 3: 'any'}
# The losses of SOLOv2, which has no boxes.
MASK_LOSSES = ['DiceLoss', 'CrossEntropyLoss']


def make(name: str, loss: str, box_loss: str) -> torch.nn.Module:
    if name == 'ALRPSOLOV2Head':
        return solov2_helpers.build(loss, loss_mask=dict(type=box_loss))
    losses = dict(loss_cls=dict(type=loss), loss_bbox=dict(type=box_loss))
    if name != 'ALRPFoveaHead':  # which sees it from loss_bbox
        losses['reg_decoded_bbox'] = BOX_LOSSES[box_loss]
    if name == 'ALRPYOLACTHead':
        return yolact_helpers.build(loss, bbox_head=losses)
    return box_head(**losses) if name == 'ALRPBBoxHead' else build(name, **losses)


def losses_with(head, objects) -> dict[str, torch.Tensor]:
    if type(head).__name__ in ('ALRPSOLOV2Head', 'ALRPYOLACT'):
        helpers = solov2_helpers if type(head).__name__ == 'ALRPSOLOV2Head' else yolact_helpers
        return helpers.losses_of(head, helpers.TWO if objects is OBJECTS else (), ())
    if type(head).__name__ != 'ALRPBBoxHead':
        return losses_of(head, *batch(objects, NOTHING))
    rois, labels, weights, targets = rois_of_two_images(3)
    feats = torch.randn(12, 4, 2, 2, generator=torch.Generator().manual_seed(3))
    if objects is NOTHING:
        labels = torch.full_like(labels, 3)
    return head.loss(*head(feats), rois, labels, weights, targets, targets)


def predicted(head) -> torch.Tensor:
    """Scores of the detections of an image."""
    head.eval()
    if type(head).__name__ == 'ALRPYOLACT':
        inputs = yolact_helpers.pictures(1), yolact_helpers.samples(())
        return head.predict(*inputs)[0].pred_instances.scores
    if type(head).__name__ == 'ALRPSOLOV2Head':
        metas = [dict(img_shape=solov2_helpers.SIZE, ori_shape=solov2_helpers.SIZE)]
        outputs = head(solov2_helpers.features(1))
        return head.predict_by_feat(*outputs, batch_img_metas=metas)[0].scores
    _, metas = batch(NOTHING)
    if type(head).__name__ != 'ALRPBBoxHead':
        return head.predict_by_feat(*head(features(1)), batch_img_metas=metas)[0].scores
    rois, *_ = rois_of_two_images(3)
    outputs = head(torch.randn(6, 4, 2, 2))
    cfg = ConfigDict(score_thr=0.0, nms=NMS, max_per_img=10)
    rois, outputs = (rois[:6],), [(x,) for x in outputs]
    return head.predict_by_feat(rois, *outputs, metas, rcnn_test_cfg=cfg)[0].scores


def supports(name: str, loss: str, box_loss: str) -> bool:
    """Whether the head can be built; if so, it must train and predict."""
    try:
        head = make(name, loss, box_loss)
    except ValueError as error:
        assert box_loss in str(error)
        return False
    parameters = {
        key: value for key, value in head.named_parameters() if not key.startswith('backbone')
    }
    losses = losses_with(head, OBJECTS)
    assert all(value.isfinite() for value in losses.values())
    assert all(value > 0 for key, value in losses.items() if 'loss' in key)
    grads = torch.autograd.grad(total(losses), list(parameters.values()))
    # A level without objects does not learn its scale; gradients of scores sum to zero.
    zero = [key for key, grad in zip(parameters, grads) if not grad.any()]
    assert not [key for key in zero if not key.startswith('scales.') and 'bias' not in key]
    losses = losses_with(head, NOTHING)
    grads = torch.autograd.grad(total(losses), list(parameters.values()))
    assert total(losses) == 0 and not any(grad.any() for grad in grads)
    assert len(predicted(head)) > 0
    return True


def cell(name: str, loss: str) -> str:
    """The box losses that go with a head and a ranking loss; the mask losses of SOLOv2."""
    if name == 'ALRPSOLOV2Head':
        assert [supports(name, loss, x) for x in MASK_LOSSES] == [True, False]
        return 'Dice loss'
    supported = [supports(name, loss, box_loss) for box_loss in BOX_LOSSES]
    assert supported == sorted(supported, reverse=True)
    return MEANING[sum(supported)]


def test_heads_and_losses_are_complete():
    heads = {
        x.__name__
        for x in CLASSES
        if issubclass(x, torch.nn.Module) and issubclass(x, RankingHeadMixin)
    }
    heads.add('ALRPSOLOV2Head')  # has no boxes
    assert heads == set(DETECTORS)
    assert heads == {*HEADS, 'ALRPBBoxHead', 'ALRPYOLACTHead', 'ALRPSOLOV2Head'}
    losses = {x.__name__ for x in CLASSES if issubclass(x, RankingLoss)} - {'RankingLoss'}
    assert losses == set(LOSSES)


@pytest.mark.parametrize('name', DETECTORS)
def test_table_of_losses_is_up_to_date(name):
    row = f'| {DETECTORS[name]} | `{name}` | {" | ".join(cell(name, x) for x in LOSSES)} |'
    rows = PAGE.read_text(encoding='utf-8').split(BEGIN)[1].split(END)[0].splitlines()
    assert rows[0] == f'| detector | head | {" | ".join(f"`{loss}`" for loss in LOSSES)} |'
    assert row in rows[2:], f'docs/models.md lacks this row:\n{row}'
    assert len(rows) == 2 + len(DETECTORS)
