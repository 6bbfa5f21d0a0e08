"""Detectors with fixed detections, for tests of thresholds."""

import copy

import torch
from mmdet.structures import DetDataSample
from mmengine.model import BaseModel
from mmengine.structures import InstanceData

CLASSES = ('cat', 'dog', 'bird')
SCORES, LABELS = [0.9, 0.5, 0.5, 0.3, 0.1], [0, 1, 0, 2, 1]


def sample(scores=SCORES, labels=LABELS, **fields) -> DetDataSample:
    n = len(scores)
    found = InstanceData(
        scores=torch.tensor(scores, dtype=torch.float32).reshape(n),
        labels=torch.tensor(labels, dtype=torch.long).reshape(n),
        bboxes=torch.arange(4.0 * n).reshape(n, 4),
        **fields,
    )
    meta = dict(img_id=0, ori_shape=(48, 64), flip=False, flip_direction=None)
    return DetDataSample(metainfo=meta, pred_instances=found)


class FixedDetector(BaseModel):
    """Predicts the given samples. Each input is the index of a sample."""

    def __init__(self, *samples):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.samples = samples

    def forward(self, inputs, data_samples=None, mode='tensor'):
        if mode == 'loss':
            return dict(loss=self.weight.sum())
        chosen = self.samples if inputs is None else [self.samples[int(i)] for i in inputs]
        return copy.deepcopy(list(chosen))
