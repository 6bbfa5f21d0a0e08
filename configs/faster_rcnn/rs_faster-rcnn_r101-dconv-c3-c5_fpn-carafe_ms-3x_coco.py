# Published COCO minival AP: 47.7 (oLRP 60.9). MMCV's CARAFE needs CUDA.
_base_ = './rs_faster-rcnn_r101-dconv-c3-c5_fpn_ms-3x_coco.py'

model = dict(neck=dict(type='FPN_CARAFE'))
