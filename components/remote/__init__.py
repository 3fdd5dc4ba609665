"""Files that are not on this machine: in an object store (s3://, gs://) or on a web server (http://, https://).

They are read by ranges of bytes and never as a whole; `address` is the way in.
"""
