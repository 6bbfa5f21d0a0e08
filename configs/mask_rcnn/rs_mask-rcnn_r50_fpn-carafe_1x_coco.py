# Published COCO minival AP: box 41.1, mask 37.3 (oLRP 66.6, 69.4). MMCV's CARAFE needs CUDA.
_base_ = './rs_mask-rcnn_r50_fpn_1x_coco.py'

model = dict(neck=dict(type='FPN_CARAFE'))
