"""PQ and LRP of panoptic segmentation, pixel by pixel.

Written from Kirillov et al., CVPR 2019, sections 4.1 and 4.2, and Oksuz et al., TPAMI 2021,
section 3, with the rules of the COCO panoptic evaluation for VOID and crowds.
"""


def pixels_with(ids, wanted):
    return {(y, x) for y, row in enumerate(ids) for x, value in enumerate(row) if value == wanted}


def count_image(truth_ids, truth, result_ids, results, counts):
    """Add an image to ``counts``: tp, fp, fn and ious by category id."""
    truth_ids, result_ids = truth_ids.tolist(), result_ids.tolist()
    void = pixels_with(truth_ids, 0)
    objects = [(s, pixels_with(truth_ids, s['id'])) for s in truth]
    predictions = [(s, pixels_with(result_ids, s['id'])) for s in results]
    matched_objects, matched_predictions = set(), set()
    for segment, pixels in objects:
        for prediction, predicted in predictions:
            if segment['iscrowd'] or segment['category_id'] != prediction['category_id']:
                continue
            shared = len(pixels & predicted)
            union = len(predicted - void) + segment['area'] - shared
            if shared and shared / union > 0.5:
                counts[segment['category_id']]['ious'].append(shared / union)
                matched_objects.add(segment['id'])
                matched_predictions.add(prediction['id'])
    for segment, _ in objects:
        if not segment['iscrowd'] and segment['id'] not in matched_objects:
            counts[segment['category_id']]['fn'] += 1
    for prediction, predicted in predictions:
        if prediction['id'] in matched_predictions:
            continue
        nobody = set(void)
        for segment, pixels in reversed(objects):
            if segment['iscrowd'] and segment['category_id'] == prediction['category_id']:
                nobody |= pixels
                break  # only the last crowd of the category counts
        if len(predicted & nobody) <= len(predicted) / 2:
            counts[prediction['category_id']]['fp'] += 1


def divide(a, b, otherwise=None):
    return a / b if b else otherwise


def evaluate(images, categories):
    """The values of ``PanopticEvaluation.to_dict``, None where undefined."""
    categories = sorted(categories, key=lambda category: category['id'])
    counts = {c['id']: dict(fp=0, fn=0, ious=[]) for c in categories}
    for image in images:
        count_image(*image, counts)
    rows = []
    for c in counts.values():
        fp, fn, tp, iou_sum = c['fp'], c['fn'], len(c['ious']), sum(c['ious'])
        rows.append(
            dict(
                tp=tp,
                fp=fp,
                fn=fn,
                iou_sum=iou_sum,
                pq=divide(iou_sum, tp + fp / 2 + fn / 2, 0),
                sq=divide(iou_sum, tp, 0),
                rq=divide(tp, tp + fp / 2 + fn / 2, 0),
                lrp=divide(sum((1 - iou) / 0.5 for iou in c['ious']) + fp + fn, tp + fp + fn),
                lrp_loc=divide(sum(1 - iou for iou in c['ious']), tp),
                lrp_fp=divide(fp, tp + fp),
                lrp_fn=divide(fn, tp + fn),
            )
        )
    summary = {}
    for name, kinds in dict(All=(0, 1), Things=(1,), Stuff=(0,)).items():
        group = [
            row
            for row, category in zip(rows, categories)
            if category['isthing'] in kinds and row['tp'] + row['fp'] + row['fn']
        ]
        summary[name] = dict(n=len(group))
        for key in ('PQ', 'SQ', 'RQ', 'LRP', 'LRP_loc', 'LRP_fp', 'LRP_fn'):
            values = [row[key.lower()] for row in group if row[key.lower()] is not None]
            summary[name][key] = divide(sum(values), len(values))
    return dict(summary=summary, per_category={key: [r[key] for r in rows] for key in rows[0]})
