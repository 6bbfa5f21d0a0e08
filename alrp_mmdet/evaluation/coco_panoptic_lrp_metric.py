"""MMDetection's metric of panoptic segmentation, extended by LRP."""

import os.path as osp
import warnings
from collections.abc import Sequence

import mmcv
import numpy as np
from mmdet.datasets.api_wrappers import COCOPanoptic
from mmdet.evaluation import INSTANCE_OFFSET, CocoPanopticMetric
from mmdet.registry import METRICS
from mmengine.fileio import dump, get, get_local_path
from mmengine.logging import MMLogger

from alrp.lrp.panoptic.evaluate import MEASURES, PanopticEvaluation, evaluate_overlaps
from alrp.lrp.panoptic.files import read_results, read_truth
from alrp.lrp.panoptic.masks import Mask, count_overlaps, decode_mask, join_overlaps
from alrp.lrp.panoptic.segments import VOID
from alrp.lrp.panoptic.table import class_table
from alrp.text import format_list, format_table


@METRICS.register_module()
class CocoPanopticLRPMetric(CocoPanopticMetric):
    """``CocoPanopticMetric`` that also computes LRP, and does not need panopticapi.

    Takes the arguments of ``CocoPanopticMetric`` and logs the same names with the same values:
    ``PQ``, ``SQ``, ``RQ``, with ``_th`` of things and ``_st`` of stuff, in per cent. It adds
    ``LRP``, ``LRP_loc``, ``LRP_fp`` and ``LRP_fn``, and likewise ``LRP_th``, ``LRP_loc_th`` and so
    on, also in per cent. These are errors, so lower is better; ``save_best`` and
    ``EarlyStoppingHook`` know this. Values that are undefined, such as PQ of things without an
    object or prediction, are -1; ``CocoPanopticMetric`` divides by zero.

    Predictions are compared in memory. PNGs and a JSON file are only written if ``outfile_prefix``
    is given.

    Args:
        ann_file (str, optional): As in ``CocoPanopticMetric``.
        seg_prefix (str, optional): As in ``CocoPanopticMetric``. Defaults to the folder of each
            image's ``seg_map_path``.
        classwise (bool): Whether to log a table of the classes. Defaults to False.
        format_only (bool): As in ``CocoPanopticMetric``.
        outfile_prefix (str, optional): As in ``CocoPanopticMetric``.
        nproc (int): Accepted, but not needed.
        file_client_args (dict, optional): Refused, as in ``CocoPanopticMetric``.
        backend_args (dict, optional): As in ``CocoPanopticMetric``.
        collect_device (str): As in ``CocoPanopticMetric``.
        prefix (str, optional): As in ``CocoPanopticMetric``.

    Raises:
        ValueError: If ``format_only`` is given without ``outfile_prefix``.
        RuntimeError: If ``file_client_args`` is given.
    """

    tmp_dir = None  # of CocoPanopticMetric, which cleans it up

    def __init__(
        self,
        ann_file: str | None = None,
        seg_prefix: str | None = None,
        classwise: bool = False,
        format_only: bool = False,
        outfile_prefix: str | None = None,
        nproc: int = 32,
        file_client_args: dict | None = None,
        backend_args: dict | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ):
        # CocoPanopticMetric.__init__ needs panopticapi, which is not on PyPI.
        super(CocoPanopticMetric, self).__init__(collect_device=collect_device, prefix=prefix)
        if format_only and outfile_prefix is None:
            raise ValueError('format_only needs outfile_prefix, the prefix of the files to write')
        if file_client_args is not None:
            raise RuntimeError('file_client_args is deprecated: use backend_args')
        self.classwise = classwise
        self.format_only = format_only
        self.outfile_prefix = outfile_prefix
        self.seg_prefix = seg_prefix
        self.backend_args = backend_args
        self._coco_api = None
        if ann_file is not None:
            with get_local_path(ann_file, backend_args=backend_args) as path:
                self._coco_api = COCOPanoptic(path)

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Compare the predictions of a batch with the ground truth.

        Args:
            data_batch (dict): Not used.
            data_samples (Sequence[dict]): Ground truth and ``pred_panoptic_seg`` of each image.
        """
        for sample in data_samples:
            ids, segments = self._prediction(sample)
            name = osp.splitext(osp.basename(sample['img_path']))[0] + '.png'
            result = dict(image_id=sample['img_id'], segments_info=segments, file_name=name)
            if self.outfile_prefix is not None:
                bgr = np.stack([ids >> 16, ids >> 8 & 255, ids & 255], axis=-1).astype(np.uint8)
                mmcv.imwrite(bgr, osp.join(f'{self.outfile_prefix}.panoptic', name))
            if self.format_only:
                self.results.append((result, None, None))
                continue
            path = sample.get('seg_map_path')
            if self.seg_prefix is not None:
                path = osp.join(self.seg_prefix, name)
            mask = decode_mask(get(path, backend_args=self.backend_args), path)
            if mask.pixels.shape[:2] != ids.shape:
                raise ValueError(
                    f'{path} has {mask.pixels.shape[:2]} pixels (height, width), but the '
                    f'prediction of image {sample["img_id"]} has {ids.shape}'
                )
            truth = dict(
                image_id=sample['img_id'],
                segments_info=self._objects(sample, mask),
                file_name=path,
            )
            self.results.append((result, truth, count_overlaps(mask, Mask.of_ids(ids))))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Compute all values. Called in the main process only.

        Args:
            results (list): Prediction, ground truth and overlaps of each image, from ``process``.

        Returns:
            dict[str, float]: Values by name.
        """
        logger = MMLogger.get_current_instance()
        categories = self._categories()
        predictions = dict(annotations=[result for result, *_ in results])
        if self.outfile_prefix is not None:
            isthing = {category['id']: category['isthing'] for category in categories}
            for result in predictions['annotations']:
                for segment in result['segments_info']:
                    segment['isthing'] = isthing[segment['category_id']]
            dump(predictions, f'{self.outfile_prefix}.panoptic.json')
            logger.info(f'Wrote {self.outfile_prefix}.panoptic.json')
            if self.format_only:
                return {}
            self._check_complete(predictions['annotations'])
        truth, known = read_truth(
            dict(annotations=[truth for _, truth, _ in results], categories=categories)
        )
        found = read_results(predictions, truth, known, name='the predictions')
        overlaps = join_overlaps([pairs for *_, pairs in results])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always', UserWarning)
            evaluation = evaluate_overlaps(truth, found, known, overlaps)
        for warning in caught:
            logger.warning(warning.message)
        _log_tables(evaluation, self.classwise, logger)
        return {
            name: -1.0 if value != value else 100 * value
            for name, value in evaluation.values().items()
        }

    def _prediction(self, sample: dict) -> tuple[np.ndarray, list[dict]]:
        """Ids of pixels, shape (H, W), int64, and segments. Pixels without a class are VOID."""
        seg = sample['pred_panoptic_seg']
        num_classes = len(self.dataset_meta['classes'])
        ids = seg['sem_seg'].cpu().numpy()[0].astype(np.int64)
        categories = self._category_ids()
        void = {num_classes, seg.get('ignore_index', num_classes)}
        segments, areas = np.unique(ids, return_counts=True)
        kept = [
            dict(id=i, category_id=categories[i % INSTANCE_OFFSET], area=area)
            for i, area in zip(segments.tolist(), areas.tolist())
            if i % INSTANCE_OFFSET not in void
        ]
        ids[np.isin(ids % INSTANCE_OFFSET, [*void])] = VOID
        return ids, kept

    def _category_ids(self) -> list:
        """Ids of the categories by label."""
        if self._coco_api is None:
            return [*range(len(self.dataset_meta['classes']))]
        return self._coco_api.get_cat_ids(cat_names=self.dataset_meta['classes'])

    def _categories(self) -> list[dict]:
        if self._coco_api is not None:
            return [*self._coco_api.cats.values()]
        things = self.dataset_meta['thing_classes']
        return [
            dict(id=label, name=name, isthing=int(name in things))
            for label, name in enumerate(self.dataset_meta['classes'])
        ]

    def _objects(self, sample: dict, mask: Mask) -> list[dict]:
        """Segments of the ground truth, of the annotation file or of the dataset."""
        if self._coco_api is not None:
            return self._coco_api.imgToAnns[sample['img_id']]
        ids = (mask.pixels.astype(np.int64) * mask.weights).sum(axis=-1)
        isthing = [category['isthing'] for category in self._categories()]
        return [
            dict(
                id=segment['id'],
                category_id=segment['category'],
                # The dataset marks crowds of things as no things.
                iscrowd=int(isthing[segment['category']] and not segment['is_thing']),
                area=int((ids == segment['id']).sum()),
            )
            for segment in sample['segments_info']
        ]

    def _check_complete(self, predictions: list[dict]) -> None:
        if self._coco_api is not None:
            lacking = {*self._coco_api.img_ann_map} - {p['image_id'] for p in predictions}
            if lacking:
                raise ValueError(
                    f'no prediction for {len(lacking)} of {len(self._coco_api.img_ann_map)} images '
                    f'of the annotation file: ids {format_list(sorted(lacking))}'
                )


def _log_tables(evaluation: PanopticEvaluation, classwise: bool, logger: MMLogger) -> None:
    def percent(values: dict) -> list[str]:
        return [f'{100 * values[m]:.3f}' if values[m] == values[m] else '-' for m in MEASURES]

    rows = [
        [group, *percent(values), str(values['n'])] for group, values in evaluation.summary.items()
    ]
    logger.info('Panoptic results:\n' + format_table([['', *MEASURES, 'categories'], *rows]))
    if classwise:
        rows = [[row['class'], *percent(row)] for row in class_table(evaluation)]
        logger.info('Panoptic results by class:\n' + format_table([['class', *MEASURES], *rows]))
