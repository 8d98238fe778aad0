"""Certificates: what a model was asked, did and is estimated to prefer, as one file that can be checked again."""
