# Baseline with GIoU. COCO minival AP, published: 38.2 (oLRP 69.0).
_base_ = './ce_l1_faster-rcnn_r50_fpn_100e_coco500.py'

model = dict(
    roi_head=dict(
        bbox_head=dict(
            reg_decoded_bbox=True,
            loss_bbox=dict(_delete_=True, type='GIoULoss', loss_weight=10.0),
        )
    )
)
