from mmdet.models import ATSSHead
from mmdet.registry import MODELS
from mmdet.utils import OptConfigType
from torch import Tensor, nn

from ..dense_ranking_head import AnchorRankingMixin


@MODELS.register_module()
class ALRPATSSHead(AnchorRankingMixin, ATSSHead):
    """ATSS's head (arXiv 1912.02424), trained by one ranking over all anchors of the batch.

    It has no centerness branch, since aLRP Loss ranks by localisation already. Two layouts:

    - By default that of the published aLRP models: RetinaNet's towers, without normalisation and
      without learnable scales.
    - ATSS's own: ``norm_cfg=dict(type='GN', num_groups=32), learnable_scales=True``.

    Args:
        norm_cfg (dict, optional): Config of the towers' normalisation. Defaults to None.
        learnable_scales (bool): Whether each level multiplies its regressed boxes by a learnable
            parameter. Defaults to False.
        loss_cls (dict): Config of the ranking loss. Defaults to ``aLRPLoss``.
        loss_bbox (dict): Config of the localisation loss. Defaults to ``GIoULoss``.
        reg_decoded_bbox (bool): Whether ``loss_bbox`` compares boxes. Defaults to True.
        **kwargs: Arguments of ``ATSSHead``. ``loss_centerness`` has no effect; it is accepted so
            that configs of ATSS can be inherited.

    Raises:
        ValueError: If ``loss_cls``, ``loss_bbox`` and ``reg_decoded_bbox`` are incompatible.
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
            scale (nn.Module): Scales the regressed boxes.

        Returns:
            tuple: Logits (N, anchors * C, H, W) and regressed boxes (N, anchors * 4, H, W).
        """
        cls_feat = reg_feat = x
        for cls_conv, reg_conv in zip(self.cls_convs, self.reg_convs, strict=True):
            cls_feat, reg_feat = cls_conv(cls_feat), reg_conv(reg_feat)
        return self.atss_cls(cls_feat), scale(self.atss_reg(reg_feat))

    def level_targets(self, *args) -> dict[str, list[Tensor]]:
        """See ``AnchorRankingMixin.level_targets``. ATSS returns its anchors before the targets."""
        _, labels, label_weights, boxes, *_ = self.get_targets(*args)
        return dict(labels=labels, label_weights=label_weights, boxes=boxes)
