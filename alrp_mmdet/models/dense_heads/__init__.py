from .alrp_atss_head import ALRPATSSHead
from .alrp_fovea_head import ALRPFoveaHead
from .alrp_paa_head import ALRPPAAHead
from .alrp_retina_head import ALRPRetinaHead
from .alrp_rpn_head import ALRPRPNHead
from .alrp_solov2_head import ALRPSOLOV2Head
from .alrp_yolact_head import ALRPYOLACTHead

__all__ = [
    'ALRPATSSHead',
    'ALRPFoveaHead',
    'ALRPPAAHead',
    'ALRPRPNHead',
    'ALRPRetinaHead',
    'ALRPSOLOV2Head',
    'ALRPYOLACTHead',
]
