"""Which data can I try it on?"""

from custrel.datasets.cdnow import cdnow, cdnow_frame, cdnow_summary

__all__ = ["cdnow", "cdnow_frame", "cdnow_summary"]
