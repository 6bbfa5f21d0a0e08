from mmdet.models import ATSSHead
from mmdet.registry import MODELS
from mmdet.utils import OptConfigType
from torch import Tensor, nn

from ..anchor_ranking_head import AnchorRankingMixin


@MODELS.register_module()
class ALRPATSSHead(AnchorRankingMixin, ATSSHead):
    """Anchors assigned by ATSS (arXiv 1912.02424), trained by one ranking over all of the batch.

    There is no centerness: aLRP Loss already ranks by localisation. Two layouts:

    - By default, that of the published aLRP models: RetinaNet's tower, without normalisation and
      without learnable scales.
    - ATSS's own: ``norm_cfg=dict(type='GN', num_groups=32), learnable_scales=True``.

    Args:
        norm_cfg (dict, optional): Config of the towers' normalisation. Defaults to None.
        learnable_scales (bool): Whether each level scales its box predictions by a parameter.
            Defaults to False.
        loss_cls (dict): Config of ``aLRPLoss`` (the default) or ``APLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes. Defaults to True.
        **kwargs: Arguments of ``ATSSHead``. ``loss_centerness`` has no effect, so that a config of
            ATSS can be inherited.

    Raises:
        ValueError: If losses and ``reg_decoded_bbox`` do not go together.
    """

    def __init__(
        self,
        *args,
        norm_cfg: OptConfigType = None,
        learnable_scales: bool = False,
        **kwargs,
    ):
        self.learnable_scales = learnable_scales
        super().__init__(*args, norm_cfg=norm_cfg, **kwargs)
        del self.loss_centerness

    def _init_layers(self) -> None:
        super()._init_layers()
        del self.atss_centerness
        if not self.learnable_scales:
            self.scales = nn.ModuleList(nn.Identity() for _ in self.scales)

    def forward_single(self, x: Tensor, scale: nn.Module) -> tuple[Tensor, Tensor]:
        """Predict on one level.

        Args:
            x (Tensor): Shape (N, in_channels, H, W).
            scale (nn.Module): What scales the box predictions.

        Returns:
            tuple: Logits (N, anchors * C, H, W) and box predictions (N, anchors * 4, H, W).
        """
        cls_feat = reg_feat = x
        for cls_conv, reg_conv in zip(self.cls_convs, self.reg_convs, strict=True):
            cls_feat, reg_feat = cls_conv(cls_feat), reg_conv(reg_feat)
        return self.atss_cls(cls_feat), scale(self.atss_reg(reg_feat))

    def level_targets(self, *args) -> tuple[list[Tensor], ...]:
        """As ``AnchorRankingMixin.level_targets``: ATSS's targets come with their anchors."""
        return self.get_targets(*args)[:4]
