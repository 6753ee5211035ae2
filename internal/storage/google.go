package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

// googleBucket is a bucket of Google Cloud Storage, by its JSON API (https://cloud.google.com/storage/docs/json_api).
// Google's own client would bring its gRPC stack, which doubles the runner.
type googleBucket struct {
	stateless
	client *http.Client
	host   string // such as https://storage.googleapis.com
	name   string
}

const googleScope = "https://www.googleapis.com/auth/devstorage.read_write"

// openGoogle takes Application Default Credentials, as Google's own tools do: the file of GOOGLE_APPLICATION_CREDENTIALS,
// what gcloud left, or the identity of the machine or the pod.
func openGoogle(ctx context.Context, bucket string, o *options) (backend, error) {
	universe := o.text("universe_domain")
	anonymous := o.flag("anonymous")
	// access_id and private_key_path signed URLs, which this program never does; "-" asked for no credentials.
	anonymous = o.text("access_id") == "-" || anonymous
	_ = o.text("private_key_path")
	if o.flag("grpc") || o.flag("zonal") {
		return nil, errors.New("the options grpc and zonal ask for Google's gRPC API, which is not spoken here: leave them out")
	}
	if err := o.done(); err != nil {
		return nil, err
	}
	b := &googleBucket{client: googleClient(), host: "https://storage.googleapis.com", name: bucket}
	if emulator := os.Getenv("STORAGE_EMULATOR_HOST"); emulator != "" {
		if !strings.Contains(emulator, "://") {
			emulator = "http://" + emulator
		}
		b.host = strings.TrimSuffix(emulator, "/")
		return b, nil
	}
	if universe != "" {
		b.host = "https://storage." + universe
	}
	if anonymous {
		return b, nil
	}
	// The context of the opening may end long before the bucket is closed, so the tokens do not hang on it.
	background := context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, b.client)
	credentials, err := google.FindDefaultCredentials(background, googleScope)
	if err != nil {
		return nil, err
	}
	if domain, err := credentials.GetUniverseDomain(); err == nil && domain != "" {
		if universe != "" && universe != domain {
			return nil, fmt.Errorf("the option universe_domain is %q, and the credentials are of %s: no URL sends their tokens elsewhere", universe, domain)
		}
		b.host = "https://storage." + domain
	}
	b.client = oauth2.NewClient(background, credentials.TokenSource)
	return b, nil
}

// googleClient unpacks nothing, and keeps as many connections open as S3's does.
func googleClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone() // which is of this type in every Go program that left it alone
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = maxIdleConnections, maxIdleConnections
	transport.DisableCompression = true
	return &http.Client{Transport: transport}
}

// googleObject is what the API says of an object.
type googleObject struct {
	Name       string    `json:"name"`
	Size       int64     `json:"size,string"`
	Generation int64     `json:"generation,string"`
	Updated    time.Time `json:"updated"`
}

func (o googleObject) object() Object {
	return Object{Key: o.Name, Size: o.Size, Version: generation(o.Generation)}
}

func generation(n int64) string { return strconv.FormatInt(n, 36) }

func (b *googleBucket) list(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	query := url.Values{"prefix": {prefix}, "fields": {"nextPageToken,items(name,size,generation,updated)"}}
	for {
		var page struct {
			Items         []googleObject
			NextPageToken string
		}
		if err := b.get(ctx, b.objects("")+"?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			object := item.object()
			if !item.Updated.IsZero() {
				object.Modified = item.Updated.Unix()
			}
			objects = append(objects, object)
		}
		if page.NextPageToken == "" {
			return objects, nil
		}
		query.Set("pageToken", page.NextPageToken)
	}
}

func (b *googleBucket) stat(ctx context.Context, key string) (Object, error) {
	var o googleObject
	err := b.get(ctx, b.objects(key)+"?fields=name,size,generation", &o)
	return o.object(), err
}

func (b *googleBucket) open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, Object, error) {
	response, err := b.read(ctx, b.objects(key)+"?alt=media", offset, length) //nolint:bodyclose // the caller closes the reader
	if err != nil {
		return nil, Object{}, err
	}
	o := Object{Size: wholeSize(response.ContentLength, response.Header.Get("Content-Range"))}
	body := &googleReader{ReadCloser: response.Body, ctx: ctx, bucket: b, key: key, at: offset, end: -1}
	if length >= 0 {
		body.end = offset + length
	}
	if n, err := strconv.ParseInt(response.Header.Get("X-Goog-Generation"), 10, 64); err == nil {
		o.Version, body.generation = generation(n), n
	}
	return body, o, nil
}

// read asks for a part of an object as it is stored: without this header the server unpacks what is stored packed, of
// which it has no ranges and another size.
func (b *googleBucket) read(ctx context.Context, at string, offset, length int64) (*http.Response, error) {
	header := http.Header{"Accept-Encoding": {"gzip"}}
	if part := byteRange(offset, length); part != "" {
		header.Set("Range", part)
	}
	response, err := b.do(ctx, http.MethodGet, at, header)
	if err == nil && offset > 0 && response.StatusCode != http.StatusPartialContent {
		_ = response.Body.Close() // nothing of it is used
		return nil, &googleError{response.StatusCode, http.StatusText(response.StatusCode), "the server gives no parts of this object"}
	}
	return response, err
}

// googleReader goes on where a connection broke.
type googleReader struct {
	io.ReadCloser
	ctx        context.Context
	bucket     *googleBucket
	key        string
	generation int64
	at, end    int64 // end is −1 for all
	resumed    int
}

func (r *googleReader) Read(p []byte) (int, error) {
	for {
		n, err := r.ReadCloser.Read(p)
		r.at += int64(n)
		if err == nil || err == io.EOF || r.generation == 0 || r.ctx.Err() != nil || r.resumed == googlePatience.attempts {
			return n, err
		}
		if n > 0 {
			return n, nil // what is broken is so at the next read, too
		}
		r.resumed++
		length := int64(-1)
		if r.end >= 0 {
			length = r.end - r.at
		}
		if length == 0 {
			return 0, io.EOF
		}
		at := r.bucket.objects(r.key) + "?alt=media&generation=" + strconv.FormatInt(r.generation, 10)
		response, again := r.bucket.read(r.ctx, at, r.at, length) //nolint:bodyclose // it becomes the reader's
		if again != nil {
			return 0, err
		}
		_ = r.ReadCloser.Close() // is broken
		r.ReadCloser = response.Body
	}
}

func (b *googleBucket) remove(ctx context.Context, key string) error {
	response, err := b.do(ctx, http.MethodDelete, b.objects(key), nil)
	if err != nil {
		return err
	}
	return drain(response)
}

// objects is the address of an object, or of them all.
func (b *googleBucket) objects(key string) string {
	at := b.host + "/storage/v1/b/" + url.PathEscape(b.name) + "/o"
	if key != "" {
		at += "/" + url.PathEscape(key)
	}
	return at
}

func (b *googleBucket) get(ctx context.Context, at string, into any) error {
	return googlePatience.again(ctx, b.mayPass, func() error {
		response, err := b.send(ctx, http.MethodGet, at, nil, nil)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(into); err != nil {
			return fmt.Errorf("the server's answer: %w", err)
		}
		return nil
	})
}

// googlePatience lasts half a minute, as Google asks of clients: an object store may be away for a while.
var googlePatience = patience{7, time.Second / 2}

// do sends a request that may be repeated, and returns the answer to it if its status is below 400.
func (b *googleBucket) do(ctx context.Context, method, at string, header http.Header) (response *http.Response, err error) {
	err = googlePatience.again(ctx, b.mayPass, func() error {
		response, err = b.send(ctx, method, at, header, nil) //nolint:bodyclose // the caller closes it
		return err
	})
	return response, err
}

func (b *googleBucket) mayPass(err error) bool { return b.kind(err) == Transient }

func (b *googleBucket) send(ctx context.Context, method, at string, header http.Header, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, header)
	response, err := b.client.Do(request)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return nil, failed.Err // without the address: that of an upload's session is a credential
	}
	if err != nil {
		return nil, err
	}
	if response.StatusCode < http.StatusBadRequest {
		return response, nil
	}
	defer response.Body.Close()
	return nil, readGoogleError(response)
}

// drain lets the connection be used again.
func drain(response *http.Response) error {
	_, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return errors.Join(err, response.Body.Close())
}

// googleError is an answer that refuses.
type googleError struct {
	status          int
	reason, message string
}

func (e *googleError) Error() string {
	return fmt.Sprintf("Google Cloud Storage: %s (%d %s)", e.message, e.status, e.reason)
}

// readGoogleError reads what the API says, or the first line of what somebody else does, such as a proxy.
func readGoogleError(response *http.Response) error {
	e := &googleError{status: response.StatusCode, reason: http.StatusText(response.StatusCode)}
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		e.message = err.Error()
		return e
	}
	var said struct {
		Error struct {
			Message string
			Errors  []struct{ Reason string }
		}
	}
	if json.Unmarshal(body, &said) == nil && said.Error.Message != "" {
		e.message = said.Error.Message
		if len(said.Error.Errors) > 0 {
			e.reason = said.Error.Errors[0].Reason
		}
		return e
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	e.message = "said " + strconv.Quote(line)
	return e
}

func (e *googleError) kind() Kind {
	switch {
	case strings.HasSuffix(e.reason, "ateLimitExceeded"): // with 403, in its older form
		return Transient
	case e.status == http.StatusForbidden:
		return Denied
	case e.status <= http.StatusBadRequest, e.status == http.StatusPreconditionFailed:
		return Invalid
	default:
		return statusKind(e.status)
	}
}

func (b *googleBucket) kind(err error) Kind {
	if refused, ok := errors.AsType[*googleError](err); ok {
		return refused.kind()
	}
	if token, ok := errors.AsType[*oauth2.RetrieveError](err); ok && token.Response != nil && token.Response.StatusCode < http.StatusInternalServerError {
		return Unauthorized
	}
	return Transient
}

// googleChunk is how much of an upload is sent, and kept to be sent again, at once: a multiple of 256 KiB, as the API
// wants it.
const googleChunk = 8 << 20

func (b *googleBucket) create(ctx context.Context, key string, isNew bool) (pending, error) {
	query := url.Values{"uploadType": {"resumable"}, "name": {key}}
	if isNew {
		query.Set("ifGenerationMatch", "0")
	}
	begin := b.host + "/upload/storage/v1/b/" + url.PathEscape(b.name) + "/o?" + query.Encode()
	header := http.Header{"X-Upload-Content-Type": {contentType(key)}}
	return newUpload(ctx, func(ctx context.Context, content io.Reader) error {
		err := b.upload(ctx, begin, header, content)
		if refused, ok := errors.AsType[*googleError](err); ok && isNew && refused.status == http.StatusPreconditionFailed {
			return fmt.Errorf("%w: %w", ErrExists, err)
		}
		return err
	}), nil
}

// upload sends content by a session, which is what makes an object only of the whole, and what lets a chunk be sent
// again (https://cloud.google.com/storage/docs/resumable-uploads).
func (b *googleBucket) upload(ctx context.Context, begin string, header http.Header, content io.Reader) error {
	chunk := make([]byte, googleChunk)
	session := ""
	for offset := int64(0); ; {
		n, err := io.ReadFull(content, chunk)
		last := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !last {
			b.forget(ctx, session)
			return err
		}
		if session == "" {
			response, err := b.do(ctx, http.MethodPost, begin, header)
			if err != nil {
				return err
			}
			session = response.Header.Get("Location")
			if err := drain(response); err != nil {
				return err
			}
		}
		if err := b.sendChunk(ctx, session, chunk[:n], offset, last); err != nil {
			return err
		}
		if offset += int64(n); last {
			return nil
		}
	}
}

// forget gives up an upload that nobody will end. The server forgets it anyway, after a week.
func (b *googleBucket) forget(ctx context.Context, session string) {
	if session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	if response, err := b.send(ctx, http.MethodDelete, session, nil, nil); err == nil {
		_ = drain(response) // whatever it says
	}
}

// sendChunk sends a chunk until all of it is stored. What the server has already, it ignores.
func (b *googleBucket) sendChunk(ctx context.Context, session string, chunk []byte, offset int64, last bool) error {
	end, total := offset+int64(len(chunk)), "*"
	if last {
		total = strconv.FormatInt(end, 10)
	}
	part := fmt.Sprintf("bytes %d-%d/%s", offset, end-1, total)
	if len(chunk) == 0 {
		part = "bytes */" + total
	}
	return googlePatience.again(ctx, b.mayPass, func() error {
		response, err := b.send(ctx, http.MethodPut, session, http.Header{"Content-Range": {part}}, chunk)
		if err != nil {
			return err
		}
		whole := response.StatusCode != http.StatusPermanentRedirect
		if stored := storedBytes(response); !whole && (last || stored < end) {
			err = fmt.Errorf("the server stored %d of the %d bytes that it was sent", stored, end)
		}
		return errors.Join(err, drain(response))
	})
}

// storedBytes is how much of an upload the server has by its own word, such as bytes=0-524287.
func storedBytes(response *http.Response) int64 {
	_, to, _ := strings.Cut(response.Header.Get("Range"), "-")
	n, err := strconv.ParseInt(to, 10, 64)
	if err != nil {
		return 0
	}
	return n + 1
}
