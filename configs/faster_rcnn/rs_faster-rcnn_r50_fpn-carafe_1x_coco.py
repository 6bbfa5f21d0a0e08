# Published COCO minival AP: 40.8 (oLRP 66.9). MMCV's CARAFE needs CUDA.
_base_ = './rs_faster-rcnn_r50_fpn_1x_coco.py'

model = dict(neck=dict(type='FPN_CARAFE'))
