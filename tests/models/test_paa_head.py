"""PAA's head: assignment that does not depend on the ranking loss, and score voting."""

import pytest
import torch
from head_helpers import NOTHING, OBJECTS, OTHERS, SHAPE, batch, build, features, losses_of, total
from mmdet.structures.bbox import bbox_overlaps

LOSSES = ['aLRPLoss', 'APLoss', 'RankSortLoss']


def labels_of(head, *objects) -> torch.Tensor:
    predictions = head.flatten(*head(features(len(objects))))
    return head.assign(predictions, *batch(*objects)).labels


def test_assignment_is_the_same_for_every_ranking_loss():
    labels = [
        labels_of(build('ALRPPAAHead', loss_cls=dict(type=loss)), OBJECTS, OTHERS)
        for loss in LOSSES
    ]
    assert set(labels[0].tolist()) == {0, 1, 2, 3}
    assert all(torch.equal(labels[0], x) for x in labels)


def test_assignment_follows_the_predictions():
    head = build('ALRPPAAHead')
    before = labels_of(head, OBJECTS, OTHERS)
    head.atss_cls.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    after = labels_of(head, OBJECTS, OTHERS)
    assert not torch.equal(before, after)


def test_candidates_with_nearly_equal_losses():
    head = build('ALRPPAAHead')
    for layer in (head.atss_cls, head.atss_reg):
        layer.weight.data.zero_()
    whole_image = ([[0.0, 0.0, *reversed(SHAPE)]], [0])
    losses = losses_of(head, *batch(whole_image, OBJECTS))
    assert losses['num_pos'] > 0 and total(losses).isfinite()


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('output', [0, 1], ids=['logits', 'boxes'])
def test_infinite_predictions_reach_the_ranking(output, value):
    """Which reports them on all processes. The fit would fail on this one only."""
    head = build('ALRPPAAHead')
    outputs = head(features())
    for level in outputs[output]:
        level.data.fill_(value)
    with pytest.raises(FloatingPointError, match='NaN or infinite'):
        head.loss_by_feat(*outputs, *batch(OBJECTS, OTHERS))


@pytest.mark.parametrize('scale', [1.0, 2.0])
def test_score_voting_averages_the_boxes_around_a_detection(scale):
    head = build('ALRPPAAHead').eval()
    head.atss_cls.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    _, metas = batch(NOTHING)
    metas[0]['scale_factor'] = (scale, scale)

    def predict(voting):
        head.with_score_voting = voting
        outputs = head(features(1))
        return head.predict_by_feat(*outputs, batch_img_metas=metas, cfg=cfg, rescale=True)[0]

    cfg = dict(head.test_cfg, nms_pre=-1)
    cfg = type(head.test_cfg)(cfg)
    voted, plain = predict(True), predict(False)
    predictions = head.flatten(*head(features(1)))
    boxes = head.bbox_coder.decode(predictions.priors, predictions.boxes, max_shape=SHAPE) / scale
    scores = predictions.logits.sigmoid()
    order = plain.labels.argsort(stable=True)  # PAA's votes are ordered by class
    torch.testing.assert_close(voted.scores, plain.scores[order])
    assert torch.equal(voted.labels, plain.labels[order])
    for box, label, result in zip(plain.bboxes[order], plain.labels[order], voted.bboxes):
        ious = bbox_overlaps(box[None], boxes)[0]
        weights = torch.exp(-((1 - ious) ** 2) / 0.025) * scores[:, label] * (ious > 0.01)
        expected = (weights[:, None] * boxes).sum(dim=0) / weights.sum()
        torch.testing.assert_close(result, expected, rtol=1e-4, atol=1e-3)
