from .alrp_bbox_head import ALRPBBoxHead
from .alrp_mask_roi_head import ALRPMaskRoIHead

__all__ = ['ALRPBBoxHead', 'ALRPMaskRoIHead']
