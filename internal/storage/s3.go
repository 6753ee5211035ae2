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

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	transfertypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// s3Bucket is a bucket of S3, or of a server that speaks its protocol.
type s3Bucket struct {
	stateless
	name   string
	client *s3.Client
	sender *transfermanager.Client
	// encryption and kmsKey are asked for with every write; empty leaves it to the bucket.
	encryption transfertypes.ServerSideEncryption
	kmsKey     string
}

// maxIdleConnections is how many connections to S3 stay open between requests. The client's own 10 would make most of
// many concurrent reads of small objects begin with a new connection, and S3 speaks no HTTP/2 to share one.
const maxIdleConnections = 256

// openS3 takes the credentials and the region as Amazon's own tools do, and what the URL says before them.
func openS3(ctx context.Context, bucket string, o *options) (backend, error) {
	b := &s3Bucket{name: bucket, kmsKey: o.text("kmskeyid")}
	if err := b.setEncryption(o.text("ssetype")); err != nil {
		return nil, err
	}
	endpoint := o.text("endpoint")
	if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Host == "") {
		return nil, fmt.Errorf("the option endpoint is %q, not a URL such as https://minio.example:9000", endpoint)
	}
	// s3ForcePathStyle and hostname_immutable are older words for the same.
	pathStyle := slices.Contains([]bool{o.flag("use_path_style"), o.flag("s3ForcePathStyle"), o.flag("hostname_immutable")}, true)
	insecure, accelerate := o.flag("disable_https"), o.flag("accelerate")
	cfg, err := amazonConfig(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	b.client = s3.NewFromConfig(cfg, func(s *s3.Options) {
		if endpoint != "" {
			s.BaseEndpoint = &endpoint
		}
		s.UsePathStyle = pathStyle
		s.UseAccelerate = accelerate
		s.EndpointOptions.DisableHTTPS = insecure
	})
	b.sender = transfermanager.New(b.client, func(t *transfermanager.Options) {
		t.FailTimeout = cleanUp                                       // else what was sent of an upload that is given up stays, and costs
		t.RequestChecksumCalculation = cfg.RequestChecksumCalculation // its own default does not ask the client's
	})
	return b, nil
}

func (b *s3Bucket) setEncryption(name string) error {
	if name == "" {
		return nil
	}
	kinds := types.ServerSideEncryption("").Values()
	for _, kind := range kinds {
		if strings.EqualFold(string(kind), name) {
			b.encryption = transfertypes.ServerSideEncryption(kind)
			return nil
		}
	}
	return fmt.Errorf("the option ssetype is %q, not one of %v", name, kinds)
}

// amazonConfig says who asks, where, and how often a request is repeated.
func amazonConfig(ctx context.Context, o *options) (aws.Config, error) {
	loads, err := amazonOptions(o)
	if err != nil {
		return aws.Config{}, err
	}
	role := o.text("role")
	if role != "" && !strings.HasPrefix(role, "arn:") {
		return aws.Config{}, fmt.Errorf("the option role is %q, not an ARN such as arn:aws:iam::123456789012:role/reader", role)
	}
	cfg, err := config.LoadDefaultConfig(ctx, loads...)
	if err != nil || role == "" {
		return cfg, err
	}
	if cfg.Region == "" {
		return aws.Config{}, errors.New("a role is taken in a region: give the option region, too")
	}
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), role))
	return cfg, nil
}

// checksums are when they are sent and when they are looked at: servers of others may know none.
var checksums = map[string]map[string]func(*config.LoadOptions) error{
	"request_checksum_calculation": {
		"when_supported": config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenSupported),
		"when_required":  config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
	},
	"response_checksum_validation": {
		"when_supported": config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenSupported),
		"when_required":  config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	},
}

func amazonOptions(o *options) ([]func(*config.LoadOptions) error, error) {
	_ = o.text("awssdk") // chose between two clients once
	loads := []func(*config.LoadOptions) error{
		config.WithLogger(logging.Nop{}), // what matters comes as an error, too
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConns, t.MaxIdleConnsPerHost = maxIdleConnections, maxIdleConnections
		})),
	}
	if region := o.text("region"); region != "" {
		loads = append(loads, config.WithRegion(region))
	}
	if profile := o.text("profile"); profile != "" {
		loads = append(loads, config.WithSharedConfigProfile(profile))
	}
	if o.flag("anonymous") {
		loads = append(loads, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	if o.flag("dualstack") {
		loads = append(loads, config.WithUseDualStackEndpoint(aws.DualStackEndpointStateEnabled))
	}
	if o.flag("fips") {
		loads = append(loads, config.WithUseFIPSEndpoint(aws.FIPSEndpointStateEnabled))
	}
	for name, choices := range checksums {
		when := o.text(name)
		if when == "" {
			continue
		}
		choice, ok := choices[strings.ToLower(when)]
		if !ok {
			return nil, fmt.Errorf("the option %s is %q, not when_supported or when_required", name, when)
		}
		loads = append(loads, choice)
	}
	// Without a limit by default: the client's own lets many readers fail together after a few refusals.
	var limiter retry.RateLimiter = ratelimit.None
	if capacity := o.text("rate_limiter_capacity"); capacity != "" {
		n, err := strconv.ParseUint(capacity, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("the option rate_limiter_capacity is %q, not a number", capacity)
		}
		if n > 0 {
			limiter = ratelimit.NewTokenRateLimit(uint(n))
		}
	}
	return append(loads, config.WithRetryer(func() aws.Retryer {
		return retry.NewStandard(func(s *retry.StandardOptions) { s.RateLimiter = limiter })
	})), nil
}

func (b *s3Bucket) list(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			object := Object{Key: aws.ToString(o.Key), Size: aws.ToInt64(o.Size), Version: etag(o.ETag)}
			if o.LastModified != nil {
				object.Modified = o.LastModified.Unix()
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}

func (b *s3Bucket) stat(ctx context.Context, key string) (Object, error) {
	head, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return Object{}, err
	}
	return Object{Size: aws.ToInt64(head.ContentLength), Version: etag(head.ETag)}, nil
}

func (b *s3Bucket) open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, Object, error) {
	input := &s3.GetObjectInput{Bucket: &b.name, Key: &key}
	if header := byteRange(offset, length); header != "" {
		input.Range = &header
	}
	got, err := b.client.GetObject(ctx, input)
	if err != nil {
		return nil, Object{}, err
	}
	size := int64(-1)
	if got.ContentLength != nil {
		size = *got.ContentLength
	}
	return got.Body, Object{Size: wholeSize(size, aws.ToString(got.ContentRange)), Version: etag(got.ETag)}, nil
}

func (b *s3Bucket) create(ctx context.Context, key string, isNew bool) (pending, error) {
	kind := contentType(key)
	input := &transfermanager.UploadObjectInput{
		Bucket: &b.name, Key: &key, ContentType: &kind, ServerSideEncryption: b.encryption,
	}
	if b.kmsKey != "" {
		input.SSEKMSKeyID = &b.kmsKey
	}
	if isNew {
		input.IfNoneMatch = aws.String("*")
	}
	return newUpload(ctx, func(ctx context.Context, content io.Reader) error {
		input.Body = content
		_, err := b.sender.UploadObject(ctx, input)
		if isNew && errorCode(err) == "PreconditionFailed" {
			return fmt.Errorf("%w: %w", ErrExists, err)
		}
		return err
	}), nil
}

func (b *s3Bucket) remove(ctx context.Context, key string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	return err
}

// kind goes by S3's code and, where that says nothing, by the status of the response. S3 answers 401 and 403 with many
// codes; but for the known ones they all mean the credentials: expired, unknown, a wrong signature, a wrong clock.
func (b *s3Bucket) kind(err error) Kind {
	switch errorCode(err) {
	case "NoSuchBucket", "NoSuchKey", "NotFound", "ObjectNotInActiveTierError":
		return NotFound
	case "AccessDenied", "Forbidden", "InvalidObjectState":
		return Denied
	case "ExpiredToken", "InvalidToken":
		return Unauthorized
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "InvalidBucketName": // the first two are of another region
		return Invalid
	}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return statusKind(response.HTTPStatusCode())
	}
	return Transient
}

func errorCode(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return ""
}
