"""MMDetection's COCO metric with LRP in it. The one module here that needs MMDetection."""

import contextlib
import os.path as osp
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence

import numpy as np
from mmdet.datasets.api_wrappers import COCO
from mmdet.evaluation import CocoMetric
from mmdet.registry import METRICS
from mmengine.fileio import dump
from mmengine.logging import MMLogger
from terminaltables import AsciiTable

from alrp.files import write_atomically
from alrp.lrp.class_table import class_table, thresholds_json
from alrp.lrp.curve import mean_over_classes
from alrp.lrp.evaluate import AP_LIMIT, Evaluation, evaluate_lrp
from alrp.lrp.inputs import IOU_TYPES
from alrp.lrp.summary import AP_COLUMNS, LRP_COLUMNS, SIZES, average_precisions, lrp_means

from .coco_results import coco_results

AP_ITEMS = ['mAP', 'mAP_50', 'mAP_75', *(f'mAP{size}' for size in SIZES)]
AR_ITEMS = ['AR@100', 'AR@300', 'AR@1000', *(f'AR{size}@1000' for size in SIZES)]
LRP_ITEMS = LRP_COLUMNS


@METRICS.register_module()
class CocoLRPMetric(CocoMetric):
    """``CocoMetric`` that also gives LRP, from the same matching, without pycocotools' evaluation.

    Takes the arguments of ``CocoMetric`` and logs what it logs: the same names, the same values.
    For ``bbox`` (and ``segm``) there are ``bbox_oLRP``, its components ``bbox_oLRP_loc``,
    ``bbox_oLRP_fp`` and ``bbox_oLRP_fn``, and ``bbox_oLRP_s``, ``bbox_oLRP_m`` and ``bbox_oLRP_l``
    by size besides. All are errors: lower is better, which ``AtomicCheckpointHook`` knows when it
    is to ``save_best``; ``CheckpointHook`` needs ``rule='less'``. They are not rounded, and -1
    where undefined, as AP is. They count at most 100 detections of an image and class, as mAP does,
    or the largest of ``proposal_nums`` if 100 is not among them, and take detections from an IoU of
    0.5 whatever ``iou_thrs`` are.

    It differs from ``CocoMetric`` in what that one cannot do. No detections at all have numbers, an
    AP of 0 and an oLRP of 1. ``iou_thrs`` may be a list or one number. Class-wise values are those
    of the class they are named after even where the annotation file does not list categories by
    ascending id. NaN and other nonsense in results is an error that names the entry.

    Args:
        ann_file (str, optional): As in ``CocoMetric``.
        *args: Further arguments of ``CocoMetric``.
        thresholds_file (str, optional): A JSON file for the LRP-optimal score threshold of each
            class, written at each evaluation: the score from which a detection of the class should
            be kept for the least LRP error. Under ``thresholds``, null where undefined, by the
            category's name in the order of labels; the other entries say on what they were
            computed. Those of the first of ``bbox`` and ``segm`` in ``metric``. Not written with
            ``format_only``. Defaults to None.
        **kwargs: Further arguments of ``CocoMetric``. With ``classwise``, ``bbox_NAME_oLRP`` is
            logged for each class beside ``NAME_precision``, NaN where undefined, as that is.
            ``metric_items`` may name ``oLRP``, ``oLRP_loc``, ...; if it is given, only what it
            names is logged. ``use_mp_eval`` matters to proposals alone.
    """

    def __init__(
        self, ann_file: str | None = None, *args, thresholds_file: str | None = None, **kwargs
    ):
        super().__init__(ann_file, *args, **kwargs)
        self.ann_file = ann_file
        self.thresholds_file = thresholds_file
        self.iou_thrs = np.array(self.iou_thrs, dtype=np.float64).reshape(-1)
        matched = [metric for metric in self.metrics if metric in IOU_TYPES]
        if matched and len(self.proposal_nums) < 3:
            raise ValueError(
                'proposal_nums must be at least three numbers, as AR@100, AR@300 and AR@1000 are '
                f'those of the first three, but are {self.proposal_nums}'
            )
        if thresholds_file is not None and not matched:
            raise ValueError(
                'thresholds_file needs bbox or segm in metric: proposals have no classes'
            )
        for item in self.metric_items or ():
            if item not in (*AP_ITEMS, *AR_ITEMS, *LRP_ITEMS):
                raise KeyError(f'metric item "{item}" is not supported')

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute all numbers. Called in the main process only.

        Args:
            results (list): Ground truth and prediction of each image, as ``process`` leaves them.

        Returns:
            dict[str, float]: By name.
        """
        logger = MMLogger.get_current_instance()
        gts, preds = zip(*results) if results else ((), ())
        if self._coco_api is None:
            if not results:
                logger.warning('There are neither images nor ann_file, and therefore no numbers')
                return OrderedDict()
            self._convert_ground_truth(gts)
        if self.cat_ids is None:
            self.cat_ids = self._coco_api.get_cat_ids(cat_names=self.dataset_meta['classes'])
        if self.img_ids is None:
            self.img_ids = self._coco_api.get_img_ids()
        entries = self._entries(preds)
        if self.outfile_prefix is not None:
            _dump_results(entries, self.outfile_prefix)
        if self.format_only:
            logger.info(f'results are saved in {osp.dirname(self.outfile_prefix)}')
            return OrderedDict()

        numbers = OrderedDict()
        ground_truth, thresholds_written = self._ground_truth(), False
        for metric in self.metrics:
            if metric not in IOU_TYPES:
                if results:
                    numbers.update(self._evaluate_proposals(metric, results))
                continue
            logger.info(f'Evaluating {metric}...')
            if metric not in entries:
                raise KeyError(f'{metric} is not in results')
            if not entries[metric]:
                logger.warning(
                    f'There are no detections at all: {metric} has an AP of 0 and an oLRP of 1'
                )
            evaluation = evaluate_lrp(
                ground_truth, entries[metric], metric, self.proposal_nums, self.iou_thrs
            )
            numbers.update(self._numbers(evaluation, metric, logger))
            if self.thresholds_file is not None and not thresholds_written:
                self._write_thresholds(evaluation)
                thresholds_written = True
        return numbers

    def results2json(self, results: Sequence[dict], outfile_prefix: str) -> dict:
        """Write results as JSON files in COCO format.

        Args:
            results (Sequence[dict]): Predictions, one per image.
            outfile_prefix (str): To which ``.bbox.json`` and ``.segm.json`` are appended.

        Returns:
            dict: Names of the files, by ``bbox``, ``proposal`` and, if there are masks, ``segm``.
        """
        return _dump_results(self._entries(results), outfile_prefix)

    def _convert_ground_truth(self, gts: Sequence[dict]) -> None:
        """What the data set gave with the images, in COCO format."""
        MMLogger.get_current_instance().info('Converting ground truth to coco format...')
        with contextlib.ExitStack() as stack:
            prefix = self.outfile_prefix
            if prefix is None:
                prefix = osp.join(stack.enter_context(tempfile.TemporaryDirectory()), 'results')
            self._coco_api = COCO(self.gt_to_coco_json(gts, prefix))

    def _ground_truth(self) -> dict:
        """What of it takes part: these images, and these categories."""
        content = self._coco_api.dataset
        images, categories = set(self.img_ids), set(self.cat_ids)
        return dict(
            images=[image for image in content['images'] if image['id'] in images],
            categories=[c for c in content['categories'] if c['id'] in categories],
            annotations=[
                a
                for a in content.get('annotations', ())
                if a['category_id'] in categories and a['image_id'] in images
            ],
        )

    def _entries(self, results: Sequence[dict]) -> dict[str, list[dict]]:
        return coco_results(results, self.cat_ids, self.dataset_meta['classes'])

    def _evaluate_proposals(self, metric: str, results: list) -> dict[str, float]:
        """By ``CocoMetric``."""
        with _set(
            self,
            metrics=[metric],
            metric_items=self.metric_items
            and [item for item in self.metric_items if item not in LRP_ITEMS],
        ):
            return super().compute_metrics(results)

    def _numbers(
        self, evaluation: Evaluation, metric: str, logger: MMLogger
    ) -> OrderedDict[str, float]:
        """What is logged of an evaluation, in the order of ``CocoMetric``, LRP after AP."""
        of_all = self._ap_and_ar(evaluation)
        of_all |= lrp_means(evaluation.lrp[_lrp_limit(evaluation)])
        if of_all['mAP'] == -1 and AP_LIMIT not in self.proposal_nums:
            logger.warning(
                f'{metric}_mAP is -1, undefined: as in CocoMetric it is the AP of {AP_LIMIT} '
                f'detections, which is not among proposal_nums {self.proposal_nums}'
            )
        numbers, of_classes = OrderedDict(), []
        if self.classwise:
            of_classes = self._classwise(evaluation)
            for name, values in of_classes:
                numbers[f'{name}_precision'] = _rounded(values['mAP'])
        items = self.metric_items
        for item in [*AP_ITEMS, *LRP_ITEMS] if items is None else items:
            value = of_all[item]
            numbers[f'{metric}_{item}'] = value if item in LRP_ITEMS else _rounded(value)
        for name, values in of_classes:
            numbers[f'{metric}_{name}_oLRP'] = values['oLRP']

        if of_classes:
            columns = [*AP_ITEMS, *LRP_ITEMS, 'threshold']
            rows = [
                [name, *(f'{_rounded(values[c])}' for c in columns)] for name, values in of_classes
            ]
            logger.info('\n' + AsciiTable([['category', *columns], *rows]).table)
        for name, columns in (('mAP', AP_ITEMS), ('oLRP', LRP_ITEMS)):
            values = ' '.join(f'{of_all[column]:.3f}' for column in columns)
            logger.info(f'{metric}_{name}_copypaste: {values}')
        return numbers

    def _ap_and_ar(self, evaluation: Evaluation) -> dict[str, float]:
        """The twelve numbers of COCO, at the limits at which pycocotools gives them."""
        limits = sorted(self.proposal_nums)
        places = [evaluation.max_dets.index(limit) for limit in limits]
        recall, largest = evaluation.recall, places[2]
        values = average_precisions(evaluation.precision[..., largest], evaluation.iou_thresholds)
        values = dict(zip(AP_ITEMS, values.values()))
        of_mean_ap = [place for limit, place in zip(limits, places) if limit == AP_LIMIT]
        values['mAP'] = mean_over_classes(evaluation.precision[..., 0, of_mean_ap].ravel())
        areas = [(0, places[0]), (0, places[1]), (0, largest)]
        areas += [(area, largest) for area in SIZES.values()]
        for item, (area, place) in zip(AR_ITEMS, areas):
            values[item] = mean_over_classes(recall[..., area, place].ravel())
        return values

    def _classwise(self, evaluation: Evaluation) -> list[tuple[str, dict[str, float]]]:
        """Name of each class, in the order of labels, and its values by item."""
        by_id = {row['id']: row for row in class_table(evaluation, _lrp_limit(evaluation))}
        columns = [*AP_COLUMNS, *LRP_COLUMNS, 'threshold']
        items = [*AP_ITEMS, *LRP_ITEMS, 'threshold']
        return [
            (row['class'], {item: row[column] for item, column in zip(items, columns)})
            for row in map(by_id.__getitem__, self.cat_ids)
        ]

    def _write_thresholds(self, evaluation: Evaluation) -> None:
        text = thresholds_json(evaluation, self.ann_file, _lrp_limit(evaluation))
        write_atomically(self.thresholds_file, text.encode())


def _lrp_limit(evaluation: Evaluation) -> int:
    return AP_LIMIT if AP_LIMIT in evaluation.max_dets else evaluation.max_dets[-1]


def _rounded(value: float) -> float:
    """As ``CocoMetric`` does it, which is not how Python rounds its own numbers."""
    return float(np.float64(value).round(3))


def _dump_results(entries: dict[str, list[dict]], outfile_prefix: str) -> dict[str, str]:
    files = {name: f'{outfile_prefix}.{name}.json' for name in entries}
    for name, file in files.items():
        dump(entries[name], file)
    return dict(files, proposal=files['bbox'])


@contextlib.contextmanager
def _set(target: object, **values) -> Iterator[None]:
    """Attributes changed for a while."""
    before = {name: getattr(target, name) for name in values}
    vars(target).update(values)
    try:
        yield
    finally:
        vars(target).update(before)
