"""Image bytes and manifests: S3 or a folder, and links to them."""
