"""MMDetection's COCO metric, extended by LRP."""

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

from alrp.files import write_atomically
from alrp.lrp.class_table import class_table, thresholds_json
from alrp.lrp.curve import mean_over_classes
from alrp.lrp.evaluate import evaluate_lrp
from alrp.lrp.evaluation import Evaluation
from alrp.lrp.summary import BOXES, LRP_COLUMNS, SIZES, average_precisions, lrp_means
from alrp.lrp.tasks import AT_THRESHOLD
from alrp.text import format_table

from .coco_results import coco_results

AP_LIMIT = BOXES.ap_limit
IOU_TYPES = 'bbox', 'segm'


@METRICS.register_module()
class CocoLRPMetric(CocoMetric):
    """``CocoMetric`` that also computes LRP, from the same matching, without pycocotools' COCOeval.

    Takes the arguments of ``CocoMetric`` and logs the same names with the same values. For ``bbox``
    it adds ``bbox_oLRP``, its components ``bbox_oLRP_loc``, ``bbox_oLRP_fp`` and ``bbox_oLRP_fn``,
    and by size ``bbox_oLRP_s``, ``bbox_oLRP_m`` and ``bbox_oLRP_l``; likewise for ``segm``. These
    are errors, so lower is better; ``save_best`` and ``EarlyStoppingHook`` know this. They are not
    rounded, and -1 if undefined, as for AP. They use at most 100 detections per image and class, as
    mAP does, or the largest of ``proposal_nums`` if 100 is not among them, and always an IoU
    threshold of 0.5.

    Differences from ``CocoMetric``: without detections, AP is 0 and oLRP is 1. ``iou_thrs`` may be
    a list or one number. Class-wise values belong to the class they are named after even if the
    annotation file does not list categories by ascending id. NaN and other bad values in results
    are an error that names the entry.

    Args:
        ann_file (str, optional): As in ``CocoMetric``.
        *args: Further arguments of ``CocoMetric``.
        thresholds_file (str, optional): A JSON file to write after each evaluation, with the
            LRP-optimal score threshold of each class: keeping detections from this score gives the
            lowest LRP error. ``thresholds`` has them by category name in the order of labels, null
            if undefined; the other keys say what they were computed on. Uses the first of ``bbox``
            and ``segm`` in ``metric``. Not written with ``format_only``. Defaults to None.
        **kwargs: Further arguments of ``CocoMetric``. With ``classwise``, ``bbox_NAME_oLRP`` is
            logged for each class next to ``NAME_precision``; both are NaN if undefined. The
            logged table also has precision, recall and F1 at the LRP-optimal thresholds.
            ``metric_items`` may include ``oLRP``, ``oLRP_loc``, ...; if given, only these items are
            logged. ``use_mp_eval`` affects proposals only.

    Raises:
        ValueError: If ``proposal_nums`` has fewer than three numbers, or if ``thresholds_file`` is
            given without ``bbox`` or ``segm`` in ``metric``.
        KeyError: If an item of ``metric_items`` is unknown.
    """

    # The names of the numbers, in the order of the columns of the class table.
    ap_items = ('mAP', 'mAP_50', 'mAP_75', *(f'mAP{size}' for size in SIZES))
    ar_items = ('AR@100', 'AR@300', 'AR@1000', *(f'AR{size}@1000' for size in SIZES))
    lrp_items = tuple(LRP_COLUMNS)

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
                'proposal_nums must have at least three numbers, for AR@100, AR@300 and AR@1000, '
                f'got {self.proposal_nums}'
            )
        if thresholds_file is not None and not matched:
            raise ValueError(
                f'thresholds_file needs bbox or segm in metric, got {self.metrics}: proposals have '
                'no classes'
            )
        for item in self.metric_items or ():
            if item not in (*self.ap_items, *self.ar_items, *self.lrp_items):
                raise KeyError(f'metric item "{item}" is not supported')

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute all values. Called in the main process only.

        Args:
            results (list): Ground truth and prediction of each image, from ``process``.

        Returns:
            dict[str, float]: Values by name.
        """
        logger = MMLogger.get_current_instance()
        gts, preds = zip(*results) if results else ((), ())
        if self._coco_api is None:
            if not results:
                logger.warning('Nothing to evaluate: there are no images and no ann_file')
                return OrderedDict()
            self._convert_ground_truth(gts)
        if self.cat_ids is None:
            self.cat_ids = self._category_ids()
        if self.img_ids is None:
            self.img_ids = self._coco_api.get_img_ids()
        entries = self._entries(preds)
        if self.outfile_prefix is not None:
            files = _dump_results(entries, self.outfile_prefix)
            logger.info(f'Wrote {" and ".join(files[name] for name in entries)}')
        if self.format_only:
            return OrderedDict()

        numbers = OrderedDict()
        ground_truth, thresholds_written = self._ground_truth(), False
        for metric in self.metrics:
            if metric not in IOU_TYPES:
                if results:
                    numbers.update(self._evaluate_proposals(metric, results, entries))
                continue
            logger.info(f'Evaluating {metric}...')
            if metric not in entries:
                raise KeyError(f'{metric} is not in results')
            if not entries[metric]:
                logger.warning(f'There are no {metric} detections: AP is 0 and oLRP is 1')
            evaluation = self._evaluate(ground_truth, entries[metric], metric)
            numbers.update(self._numbers(evaluation, metric, logger))
            if self.thresholds_file is not None and not thresholds_written:
                self._write_thresholds(evaluation)
                thresholds_written = True
        return numbers

    def results2json(self, results: Sequence[dict], outfile_prefix: str) -> dict:
        """Write results as JSON files in COCO format.

        Args:
            results (Sequence[dict]): Predictions, one per image.
            outfile_prefix (str): ``.bbox.json`` and ``.segm.json`` are appended to it.

        Returns:
            dict: Names of the files by ``bbox``, ``proposal`` and, if there are masks, ``segm``.
        """
        return _dump_results(self._entries(results), outfile_prefix)

    def _convert_ground_truth(self, gts: Sequence[dict]) -> None:
        """Convert the ground truth that the dataset gave with the images to COCO format."""
        MMLogger.get_current_instance().info('Converting ground truth to coco format...')
        with contextlib.ExitStack() as stack:
            prefix = self.outfile_prefix
            if prefix is None:
                prefix = osp.join(stack.enter_context(tempfile.TemporaryDirectory()), 'results')
            self._coco_api = COCO(self.gt_to_coco_json(gts, prefix))

    def _category_ids(self) -> list:
        """The id of each label's category."""
        return self._coco_api.get_cat_ids(cat_names=self.dataset_meta['classes'])

    def _evaluate(self, ground_truth: dict, entries: list[dict], metric: str) -> Evaluation:
        return evaluate_lrp(
            ground_truth, entries, metric, self.proposal_nums, self.iou_thrs, rules='coco'
        )

    def _ground_truth(self) -> dict:
        """The part of the ground truth that has these images and categories."""
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

    def _evaluate_proposals(self, metric: str, results: list, entries: dict) -> dict[str, float]:
        """Evaluate proposals with ``CocoMetric``."""
        with _set(
            self,
            metrics=[metric],
            metric_items=self.metric_items
            and [item for item in self.metric_items if item not in self.lrp_items],
        ):
            return super().compute_metrics(results)

    def _numbers(
        self, evaluation: Evaluation, metric: str, logger: MMLogger
    ) -> OrderedDict[str, float]:
        """The values to log, in the order of ``CocoMetric``, LRP after AP."""
        of_all = self._of_all_classes(evaluation, metric, logger)
        numbers, of_classes = OrderedDict(), []
        if self.classwise:
            of_classes = self._classwise(evaluation)
            for name, values in of_classes:
                numbers[f'{name}_precision'] = _rounded(values[self.ap_items[0]])
        items = self.metric_items
        for item in [*self.ap_items, *self.lrp_items] if items is None else items:
            value = of_all[item]
            numbers[f'{metric}_{item}'] = value if item in self.lrp_items else self._round(value)
        for name, values in of_classes:
            numbers[f'{metric}_{name}_oLRP'] = values['oLRP']

        if of_classes:
            columns = [*of_classes[0][1]]
            rows = [
                [name, *(f'{_rounded(values[c]):.3f}' for c in columns)]
                for name, values in of_classes
            ]
            logger.info('\n' + format_table([['category', *columns], *rows]))
        for columns in (self.ap_items, self.lrp_items):
            values = ' '.join(f'{of_all[column]:.3f}' for column in columns)
            logger.info(f'{metric}_{columns[0]}_copypaste: {values}')
        return numbers

    def _of_all_classes(
        self, evaluation: Evaluation, metric: str, logger: MMLogger
    ) -> dict[str, float]:
        """The means over the classes, by item."""
        values = self._ap_and_ar(evaluation)
        if values['mAP'] == -1 and AP_LIMIT not in self.proposal_nums:
            logger.warning(
                f'{metric}_mAP is -1 (undefined): as in CocoMetric it is the AP of at most '
                f'{AP_LIMIT} detections, which is not among proposal_nums {self.proposal_nums}'
            )
        return values | lrp_means(evaluation.lrp[_lrp_limit(evaluation)])

    def _ap_and_ar(self, evaluation: Evaluation) -> dict[str, float]:
        """COCO's twelve values, at the limits that pycocotools uses."""
        limits = sorted(self.proposal_nums)
        positions = [evaluation.max_dets.index(limit) for limit in limits]
        recall, largest = evaluation.recall, positions[2]
        values = average_precisions(evaluation.precision[..., largest], evaluation.iou_thresholds)
        values = dict(zip(self.ap_items, values.values()))
        at_ap_limit = [i for limit, i in zip(limits, positions) if limit == AP_LIMIT]
        values['mAP'] = mean_over_classes(evaluation.precision[..., 0, at_ap_limit].ravel())
        areas = [(0, positions[0]), (0, positions[1]), (0, largest)]
        areas += [(area, largest) for area in SIZES.values()]
        for item, (area, i) in zip(self.ar_items, areas):
            values[item] = mean_over_classes(recall[..., area, i].ravel())
        return values

    @staticmethod
    def _round(value: float) -> float:
        """Round a mean over the classes."""
        return _rounded(value)

    def _classwise(self, evaluation: Evaluation) -> list[tuple[str, dict[str, float]]]:
        """Name of each class and its values by item, in the order of labels."""
        by_id = {row['id']: row for row in class_table(evaluation, _lrp_limit(evaluation))}
        task = evaluation.task
        names = dict(zip(task.ap_columns, self.ap_items))
        names |= dict(zip(task.lrp_columns, self.lrp_items))
        names |= {column: column for column in ('threshold', *AT_THRESHOLD)}
        return [
            (row['class'], {item: row[column] for column, item in names.items()})
            for row in map(by_id.__getitem__, self.cat_ids)
        ]

    def _write_thresholds(self, evaluation: Evaluation) -> None:
        text = thresholds_json(evaluation, self.ann_file, _lrp_limit(evaluation))
        write_atomically(self.thresholds_file, text.encode())
        MMLogger.get_current_instance().info(f'Wrote {self.thresholds_file}')


def _lrp_limit(evaluation: Evaluation) -> int:
    return AP_LIMIT if AP_LIMIT in evaluation.max_dets else evaluation.max_dets[-1]


def _rounded(value: float) -> float:
    """Round as ``CocoMetric`` does. NumPy rounds differently from Python."""
    return float(np.float64(value).round(3))


def _dump_results(entries: dict[str, list[dict]], outfile_prefix: str) -> dict[str, str]:
    files = {name: f'{outfile_prefix}.{name}.json' for name in entries}
    for name, file in files.items():
        dump(entries[name], file)
    return dict(files, proposal=files['bbox'])


@contextlib.contextmanager
def _set(target: object, **values) -> Iterator[None]:
    """Change attributes within a ``with`` statement."""
    before = {name: getattr(target, name) for name in values}
    vars(target).update(values)
    try:
        yield
    finally:
        vars(target).update(before)
