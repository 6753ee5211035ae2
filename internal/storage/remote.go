package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	gcs "cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"gocloud.dev/gcerrors"
	"google.golang.org/api/googleapi"
)

// remote is a bucket of an object store.
type remote struct {
	bucket *blob.Bucket
	read   *blob.ReaderOptions
}

// schemes are the object stores whose drivers are linked.
var schemes = []string{"azblob", "gs", "s3"}

func openRemote(ctx context.Context, u *url.URL) (*Bucket, error) {
	shown := display(u.String())
	if !slices.Contains(schemes, u.Scheme) {
		return nil, &Error{Op: "open", URL: shown, Kind: Invalid, Err: fmt.Errorf(
			"the scheme %q is not known: give a folder, file:// or one of %s://", u.Scheme, strings.Join(schemes, "://, "))}
	}
	prefix := strings.Trim(u.Path, "/")
	if prefix != "" {
		if err := checkKey(prefix); err != nil {
			return nil, &Error{Op: "open", URL: shown, Kind: Invalid, Err: err}
		}
	}
	root := *u
	root.Path, root.RawPath = "", ""
	bucket, err := blob.DefaultURLMux().OpenBucketURL(ctx, &root)
	if err != nil {
		// A driver's message may quote the URL with its options; none of them is a secret by its documentation.
		return nil, &Error{Op: "open", URL: shown, Kind: Invalid, Err: err}
	}
	read := s3ReaderOptions(bucket)
	if prefix != "" {
		bucket = blob.PrefixedBucket(bucket, prefix+"/")
	}
	return &Bucket{url: shown, backend: &remote{bucket, read}}, nil
}

// maxIdleConnections is how many connections to S3 stay open between requests. The client's own 10 would make most of
// many concurrent reads of small objects begin with a new connection, and S3 speaks no HTTP/2 to share one.
const maxIdleConnections = 256

// s3ReaderOptions adapts the S3 client to a great many reads, nil where the bucket is another provider's. The Go CDK's
// URLs have no word for these options.
func s3ReaderOptions(bucket *blob.Bucket) *blob.ReaderOptions {
	var client *s3.Client
	if !bucket.As(&client) {
		return nil
	}
	connections := client.Options().HTTPClient
	if c, ok := connections.(*awshttp.BuildableClient); ok {
		connections = c.WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns, t.MaxIdleConnsPerHost = maxIdleConnections, maxIdleConnections
		})
	}
	many := func(o *s3.Options) {
		o.HTTPClient = connections
		o.DisableLogOutputChecksumValidationSkipped = true // it would be a line for every object without a checksum
	}
	return &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var options *[]func(*s3.Options)
		if as(&options) {
			*options = append(*options, many)
		}
		return nil
	}}
}

func (r *remote) close() error { return r.bucket.Close() }

func (r *remote) list(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	it := r.bucket.List(&blob.ListOptions{Prefix: prefix})
	for {
		o, err := it.Next(ctx)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if o.Key == "" || strings.HasSuffix(o.Key, "/") {
			continue // what some tools leave so that a console shows a folder
		}
		objects = append(objects, Object{Key: o.Key, Size: o.Size, Version: listedVersion(o)})
	}
}

// listedVersion, statVersion and readVersion give one object one version, however it was met: the ETag of S3 and Azure,
// the generation of Google Cloud Storage.

func listedVersion(o *blob.ListObject) string {
	var amazon types.Object
	var google gcs.ObjectAttrs
	var azure container.BlobItem
	switch {
	case o.As(&amazon):
		return etag(amazon.ETag)
	case o.As(&google):
		return generation(google.Generation)
	case o.As(&azure) && azure.Properties != nil:
		return etag(azure.Properties.ETag)
	}
	return version(o.Size, o.ModTime.UnixNano())
}

func statVersion(a *blob.Attributes) string {
	var amazon s3.HeadObjectOutput
	var google gcs.ObjectAttrs
	var azure azblob.GetPropertiesResponse
	switch {
	case a.As(&amazon):
		return etag(amazon.ETag)
	case a.As(&google):
		return generation(google.Generation)
	case a.As(&azure):
		return etag(azure.ETag)
	}
	return version(a.Size, a.ModTime.UnixNano())
}

func readVersion(r *blob.Reader) string {
	var amazon s3.GetObjectOutput
	var google *gcs.Reader
	var azure azblob.DownloadStreamResponse
	switch {
	case r.As(&amazon):
		return etag(amazon.ETag)
	case r.As(&google):
		return generation(google.Attrs.Generation)
	case r.As(&azure):
		return etag(azure.ETag)
	}
	return version(r.Size(), r.ModTime().UnixNano())
}

// etag is empty, which stands for any version, where a server gives none. Listings and responses quote it as they like.
func etag[S ~string](tag *S) string {
	if tag == nil {
		return ""
	}
	return strings.Trim(string(*tag), `"`)
}

func generation(n int64) string { return strconv.FormatInt(n, 36) }

func (r *remote) stat(ctx context.Context, key string) (Object, error) {
	a, err := r.bucket.Attributes(ctx, key)
	if err != nil {
		return Object{}, err
	}
	return Object{Key: key, Size: a.Size, Version: statVersion(a)}, nil
}

func (r *remote) open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, Object, error) {
	body, err := r.bucket.NewRangeReader(ctx, key, offset, length, r.read)
	if err != nil {
		return nil, Object{}, err
	}
	return body, Object{Key: key, Size: body.Size(), Version: readVersion(body)}, nil
}

func (r *remote) remove(ctx context.Context, key string) error { return r.bucket.Delete(ctx, key) }

func (r *remote) create(ctx context.Context, key string, isNew bool) (pending, error) {
	ctx, cancel := context.WithCancel(ctx)
	w, err := r.bucket.NewWriter(ctx, key, &blob.WriterOptions{IfNotExist: isNew})
	if err != nil {
		cancel()
		return nil, err
	}
	return &upload{Writer: w, cancel: cancel, isNew: isNew}, nil
}

// upload becomes an object when it is closed, unless its context has ended.
type upload struct {
	*blob.Writer
	cancel context.CancelFunc
	isNew  bool
}

func (u *upload) commit() error {
	defer u.cancel()
	err := u.Close()
	if u.isNew && gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return fmt.Errorf("%w: %w", ErrExists, err)
	}
	return err
}

func (u *upload) abort() {
	u.cancel()
	_ = u.Close() // fails by design: the context has ended
}

// kind goes by the Go CDK's code and, where that is unknown, by the status of the HTTP response. S3 answers 401 and 403
// with many codes; but for AccessDenied, which the CDK knows, and an archived object's they all mean the credentials:
// expired, unknown, a wrong signature, a wrong clock.
func (r *remote) kind(err error) Kind {
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return NotFound
	case gcerrors.PermissionDenied:
		return Denied
	case gcerrors.InvalidArgument, gcerrors.Unimplemented:
		return Invalid
	}
	var api interface{ ErrorCode() string }
	if errors.As(err, &api) && api.ErrorCode() == "InvalidObjectState" {
		return Denied
	}
	switch httpStatus(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Unauthorized
	case http.StatusNotFound:
		return NotFound
	case http.StatusRequestedRangeNotSatisfiable:
		return Invalid
	case http.StatusInsufficientStorage:
		return Full
	default:
		return Transient
	}
}

// httpStatus finds the response's status in the three providers' own errors; 0 where there was no response.
func httpStatus(err error) int {
	var amazon interface{ HTTPStatusCode() int }
	var gcs *googleapi.Error
	var azure *azcore.ResponseError
	switch {
	case errors.As(err, &amazon):
		return amazon.HTTPStatusCode()
	case errors.As(err, &gcs):
		return gcs.Code
	case errors.As(err, &azure):
		return azure.StatusCode
	default:
		return 0
	}
}
