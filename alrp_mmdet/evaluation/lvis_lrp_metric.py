"""MMDetection's LVIS metric, extended by LRP."""

from collections.abc import Sequence

import numpy as np
from mmdet.evaluation import eval_recalls
from mmdet.registry import METRICS
from mmengine.logging import MMLogger

from alrp.lrp.evaluate import evaluate_lrp
from alrp.lrp.evaluation import Evaluation
from alrp.lrp.tasks import TASKS

from .coco_lrp_metric import CocoLRPMetric

LVIS = TASKS['bbox', 'lvis']
GROUPS = tuple(f'_{group}' for group in LVIS.groups)
PARTS = (*LVIS.sizes, *GROUPS)


@METRICS.register_module()
class LVISLRPMetric(CocoLRPMetric):
    """``LVISMetric`` that also computes LRP, without the package lvis.

    Takes the arguments of ``LVISMetric`` and logs the same names with the same values. For ``bbox``
    it adds ``bbox_oLRP``, its components ``bbox_oLRP_loc``, ``bbox_oLRP_fp`` and ``bbox_oLRP_fn``,
    by size ``bbox_oLRP_s``, ``bbox_oLRP_m`` and ``bbox_oLRP_l``, and for rare, common and frequent
    classes ``bbox_oLRP_r``, ``bbox_oLRP_c`` and ``bbox_oLRP_f``; likewise for ``segm``. These are
    errors, so lower is better. They are not rounded, and -1 if undefined, as for AP.

    LVIS's rules hold: the best 300 detections of an image, and no penalty for detections of classes
    that nobody searched for in the image. As in ``LVISMetric``, ``proposal_nums`` and ``iou_thrs``
    affect ``proposal_fast`` only.

    Differences from ``LVISMetric``: without detections, AP is 0 and oLRP is 1. Class-wise values
    belong to the class they are named after even if the annotation file does not list categories by
    ascending id.

    Args:
        ann_file (str): The annotation file, with LVIS's lists of the images.
        *args: Further arguments of ``LVISMetric``.
        thresholds_file (str, optional): As in ``CocoLRPMetric``.
        **kwargs: Further arguments of ``LVISMetric``. With ``classwise``, ``bbox_NAME_oLRP`` is
            logged for each class next to ``NAME_precision``; both are NaN if undefined.
            ``metric_items`` may include ``oLRP``, ``oLRP_loc``, ...; if given, only these items are
            logged.

    Raises:
        KeyError: If an item of ``metric_items`` is unknown.
    """

    default_prefix = 'lvis'
    ap_items = ('AP', 'AP50', 'AP75', *(f'AP{part[1:]}' for part in PARTS))
    ar_items = ('AR@300', *(f'AR{size[1:]}@300' for size in LVIS.sizes))
    lrp_items = (*LVIS.lrp_columns, *(f'oLRP{group}' for group in GROUPS))

    def _category_ids(self) -> list:
        """All categories, as in ``LVISMetric``, unless the dataset has fewer classes."""
        categories = self._coco_api.dataset['categories']
        if len(categories) != len(self.dataset_meta['classes']):
            return super()._category_ids()
        return [category['id'] for category in categories]

    def _evaluate(self, ground_truth: dict, entries: list[dict], metric: str) -> Evaluation:
        return evaluate_lrp(ground_truth, entries, metric, rules='lvis')

    def _evaluate_proposals(self, metric: str, results: list, entries: dict) -> dict[str, float]:
        """Recall of proposals. ``proposal`` is the recall of boxes, with their classes."""
        if metric == 'proposal_fast':
            return super()._evaluate_proposals(metric, results, entries)
        evaluation = self._evaluate(self._ground_truth(), entries['bbox'], 'bbox')
        values = self._of_all_classes(evaluation, metric, MMLogger.get_current_instance())
        items: Sequence[str] = self.ar_items if self.metric_items is None else self.metric_items
        return {i: self._round(values[i]) for i in items if i not in self.lrp_items}

    def fast_eval_recall(
        self,
        results: list[dict],
        proposal_nums: Sequence[int],
        iou_thrs: Sequence[float],
        logger: MMLogger | None = None,
    ) -> np.ndarray:
        """Recall of all objects, without classes. ``CocoMetric`` needs ``iscrowd``, LVIS has none.

        Args:
            results (list[dict]): Predictions, one per image, in the order of the annotation file.
            proposal_nums (Sequence[int]): Numbers of proposals per image.
            iou_thrs (Sequence[float]): IoUs.
            logger (MMLogger, optional): Where to log a table.

        Returns:
            np.ndarray: Mean recall for each number of proposals.
        """
        boxes = {i: [np.zeros((0, 4), np.float32)] for i in self.img_ids}
        for annotation in self._coco_api.dataset['annotations']:
            x, y, w, h = annotation['bbox']
            boxes[annotation['image_id']].append(np.float32([[x, y, x + w, y + h]]))
        proposals = [result['bboxes'] for result in results]
        objects = [np.concatenate(boxes[i]) for i in self.img_ids]
        recalls = eval_recalls(objects, proposals, proposal_nums, iou_thrs, logger=logger)
        return recalls.mean(axis=1)

    @staticmethod
    def _round(value: float) -> float:
        """Round as ``LVISMetric`` does, which differs from NumPy."""
        return float(f'{value:.3f}')

    def _of_all_classes(
        self, evaluation: Evaluation, metric: str, logger: MMLogger
    ) -> dict[str, float]:
        summary = evaluation.summary
        recalls = ['AR300', *(f'AR300{size}' for size in LVIS.sizes)]
        columns = [*LVIS.ap_columns, *(f'AP{group}' for group in GROUPS), *recalls, *self.lrp_items]
        items = [*self.ap_items, *self.ar_items, *self.lrp_items]
        return {item: summary[column] for item, column in zip(items, columns, strict=True)}
