"""Certificates: what a model was asked, did and is estimated to prefer, as a file that is compared later."""
