void panel_product(const double *a, const double *b, long n, double *out, long stride);
