package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// azureContainer is a container of Azure Blob Storage.
type azureContainer struct {
	stateless
	client *container.Client
}

// openAzure goes by the variables that Azure's command line knows, AZURE_STORAGE_ACCOUNT with _KEY, _SAS_TOKEN or
// _CONNECTION_STRING; without a credential among them it is the identity of the machine, the pod or the user.
func openAzure(_ context.Context, name string, o *options) (backend, error) {
	fromEnvironment := azureAccountOfEnvironment()
	account := fromEnvironment
	account.set(o)
	if err := o.done(); err != nil {
		return nil, err
	}
	root, err := account.url()
	if err != nil {
		return nil, err
	}
	sas := os.Getenv("AZURE_STORAGE_SAS_TOKEN")
	if trusted, err := fromEnvironment.url(); sas != "" && (err != nil || trusted != root) {
		return nil, errors.New("with AZURE_STORAGE_SAS_TOKEN the account and its address come from the environment alone, so that no URL sends the token elsewhere")
	}
	client, err := azureClient(root+"/"+url.PathEscape(name), name, account.name, sas, account.domain == fromEnvironment.domain || slices.Contains(azureDomains, account.domain))
	if err != nil {
		return nil, err
	}
	return &azureContainer{client: client}, nil
}

// azureDomains are those of Azure's clouds.
var azureDomains = []string{"", "blob.core.windows.net", "blob.core.chinacloudapi.cn", "blob.core.usgovcloudapi.net"}

// azureClient takes the first credential that is there. Tokens go to trusted places alone.
func azureClient(at, name, account, sas string, trusted bool) (*container.Client, error) {
	if key := os.Getenv("AZURE_STORAGE_KEY"); key != "" && os.Getenv("AZURE_STORAGE_ACCOUNT") != "" {
		credential, err := container.NewSharedKeyCredential(account, key)
		if err != nil {
			return nil, fmt.Errorf("AZURE_STORAGE_KEY: %w", err)
		}
		return container.NewClientWithSharedKeyCredential(at, credential, nil)
	}
	if sas != "" {
		return container.NewClientWithNoCredential(at+"?"+strings.TrimPrefix(sas, "?"), nil)
	}
	if connection := azureConnection(); connection != "" {
		return container.NewClientFromConnectionString(connection, name, nil)
	}
	if !trusted {
		return nil, errors.New("with the identity of the machine, the pod or the user the domain comes from AZURE_STORAGE_DOMAIN or is one of Azure's, so that no URL sends tokens elsewhere")
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(at, credential, nil)
}

func azureConnection() string {
	if connection := os.Getenv("AZURE_STORAGE_CONNECTION_STRING"); connection != "" {
		return connection
	}
	return os.Getenv("AZURE_STORAGEBLOB_CONNECTIONSTRING")
}

// azureAccount says where a storage account is.
type azureAccount struct {
	name, domain, protocol string
	// cdn: the domain is the account's own, without its name.
	cdn bool
	// emulator: the account's name is the first folder, as it is on this machine.
	emulator bool
}

func azureAccountOfEnvironment() azureAccount {
	a := azureAccount{
		name:     os.Getenv("AZURE_STORAGE_ACCOUNT"),
		domain:   os.Getenv("AZURE_STORAGE_DOMAIN"),
		protocol: os.Getenv("AZURE_STORAGE_PROTOCOL"),
	}
	a.cdn, _ = strconv.ParseBool(os.Getenv("AZURE_STORAGE_IS_CDN"))                 // unset is no
	a.emulator, _ = strconv.ParseBool(os.Getenv("AZURE_STORAGE_IS_LOCAL_EMULATOR")) // unset is no
	for part := range strings.SplitSeq(azureConnection(), ";") {
		switch name, value, _ := strings.Cut(part, "="); {
		case name == "AccountName" && a.name == "":
			a.name = value
		case name == "DefaultEndpointsProtocol" && a.protocol == "":
			a.protocol = value
		}
	}
	return a
}

// set lets what a URL says come before the environment.
func (a *azureAccount) set(o *options) {
	for name, field := range map[string]*string{"storage_account": &a.name, "domain": &a.domain, "protocol": &a.protocol} {
		if value := o.text(name); value != "" {
			*field = value
		}
	}
	for name, field := range map[string]*bool{"cdn": &a.cdn, "localemu": &a.emulator} {
		if o.values.Has(name) {
			*field = o.flag(name)
		}
	}
}

func (a azureAccount) url() (string, error) {
	if a.name == "" {
		return "", errors.New("the storage account is not known: set AZURE_STORAGE_ACCOUNT, or give the option storage_account")
	}
	domain, protocol := a.domain, a.protocol
	if domain == "" {
		domain = "blob.core.windows.net"
	}
	if protocol == "" {
		protocol = "https"
	}
	if protocol != "http" && protocol != "https" {
		return "", fmt.Errorf("the option protocol is %q, not http or https", protocol)
	}
	switch {
	case a.emulator, strings.HasPrefix(domain, "localhost"), strings.HasPrefix(domain, "127.0.0.1"):
		return protocol + "://" + domain + "/" + a.name, nil
	case a.cdn:
		return protocol + "://" + domain, nil
	default:
		return protocol + "://" + a.name + "." + domain, nil
	}
}

func (c *azureContainer) list(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	pages := c.client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &prefix})
	for pages.More() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, azureErr(err)
		}
		for _, item := range page.Segment.BlobItems {
			if item.Name == nil || item.Properties == nil || item.Properties.ContentLength == nil {
				return nil, errors.New("the server lists an object without its name or its size")
			}
			object := Object{Key: *item.Name, Size: *item.Properties.ContentLength, Version: etag(item.Properties.ETag)}
			if item.Properties.LastModified != nil {
				object.Modified = item.Properties.LastModified.Unix()
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}

func (c *azureContainer) stat(ctx context.Context, key string) (Object, error) {
	head, err := c.client.NewBlobClient(key).GetProperties(ctx, nil)
	if err != nil {
		return Object{}, azureErr(err)
	}
	return Object{Size: sizeOf(head.ContentLength, nil), Version: etag(head.ETag)}, nil
}

func (c *azureContainer) open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, Object, error) {
	// A count of 0 is "to the end" to the client.
	part := blob.HTTPRange{Offset: offset, Count: max(length, 0)}
	got, err := c.client.NewBlobClient(key).DownloadStream(ctx, &blob.DownloadStreamOptions{Range: part})
	if err != nil {
		return nil, Object{}, azureErr(err)
	}
	return got.Body, Object{Size: sizeOf(got.ContentLength, got.ContentRange), Version: etag(got.ETag)}, nil
}

func sizeOf(length *int64, contentRange *string) int64 {
	size, of := int64(-1), ""
	if length != nil {
		size = *length
	}
	if contentRange != nil {
		of = *contentRange
	}
	return wholeSize(size, of)
}

// azureBlock is how much of an upload is sent at once, and azureBlocks how many of them at a time.
const (
	azureBlock  = 8 << 20
	azureBlocks = 5
)

func (c *azureContainer) create(ctx context.Context, key string, isNew bool) (pending, error) {
	kind := contentType(key)
	o := &blockblob.UploadStreamOptions{
		BlockSize: azureBlock, Concurrency: azureBlocks, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: &kind},
	}
	if isNew {
		anything := azcore.ETagAny
		o.AccessConditions = &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &anything}}
	}
	return newUpload(ctx, func(ctx context.Context, content io.Reader) error {
		_, err := c.client.NewBlockBlobClient(key).UploadStream(ctx, content, o)
		// The documented code is a variation of ConditionNotMet.
		if isNew && bloberror.HasCode(err, bloberror.BlobAlreadyExists, bloberror.ConditionNotMet, bloberror.TargetConditionNotMet) {
			return fmt.Errorf("%w: %w", ErrExists, azureErr(err))
		}
		return azureErr(err)
	}), nil
}

func (c *azureContainer) remove(ctx context.Context, key string) error {
	_, err := c.client.NewBlobClient(key).Delete(ctx, nil)
	return azureErr(err)
}

// azureError is an answer that refuses, in one line: the client's own error prints the whole answer.
type azureError struct{ answer *azcore.ResponseError }

func (e *azureError) Error() string {
	return fmt.Sprintf("Azure Blob Storage: %s (%d %s)", e.answer.ErrorCode, e.answer.StatusCode, http.StatusText(e.answer.StatusCode))
}

func (e *azureError) Unwrap() error { return e.answer }

func azureErr(err error) error {
	if answer, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return &azureError{answer}
	}
	return err
}

func (c *azureContainer) kind(err error) Kind {
	if bloberror.HasCode(err, bloberror.AuthorizationPermissionMismatch, bloberror.InsufficientAccountPermissions,
		bloberror.BlobArchived, bloberror.BlobBeingRehydrated) {
		return Denied
	}
	if response, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return statusKind(response.StatusCode)
	}
	if _, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return Unauthorized
	}
	if strings.Contains(err.Error(), "no such host") {
		return NotFound // the account is part of the host's name
	}
	return Transient
}
