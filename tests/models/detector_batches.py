"""Batches for whole detectors, without files."""

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

SIZE = 128


def detector_batch(counts, num_classes=3):
    """Images, one for each number of objects, and annotations, as a data loader gives them."""
    generator = torch.Generator().manual_seed(0)
    shape = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), scale_factor=(1.0, 1.0))
    images, samples = [], []
    for count in counts:
        corners = torch.rand(count, 2, generator=generator) * 60
        sizes = 20 + 40 * torch.rand(count, 2, generator=generator)
        sample = DetDataSample(metainfo=dict(shape, pad_shape=(SIZE, SIZE)))
        sample.gt_instances = InstanceData(
            bboxes=torch.cat([corners, corners + sizes], 1),
            labels=torch.arange(count) % num_classes,
        )
        samples.append(sample)
        image = torch.randint(256, (3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
        images.append(image)
    return dict(inputs=images, data_samples=samples)
