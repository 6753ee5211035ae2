package dataset

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/datasetaudit/dataset-audit/api/v1alpha1"
	"github.com/datasetaudit/dataset-audit/internal/storage"
	"github.com/datasetaudit/dataset-audit/test/layouts"
	"github.com/datasetaudit/dataset-audit/test/s3server"
)

// BenchmarkSmallObjects lists and reads many small objects of an S3 server, ours against a plain loop of the client:
// list, then one object after another. VERSITYGW names the server's binary, OBJECTS how many there are. Of the memory,
// what listing leaves (the samples' names, "listed-MiB") grows with their number, and what reading adds to it
// ("read-MiB", the most of eight looks) must not.
func BenchmarkSmallObjects(b *testing.B) {
	options := s3server.Start(b, "bucket")
	n, err := strconv.Atoi(os.Getenv("OBJECTS"))
	if err != nil {
		n = 10_000
	}
	for size := n / 4; size <= n; size *= 4 {
		location := fmt.Sprintf("s3://bucket/%d%s", size, options)
		upload(b, location, size)
		b.Run(fmt.Sprint("objects=", size), func(b *testing.B) {
			for b.Loop() {
				before, began := liveHeap(), time.Now()
				bucket, err := storage.Open(b.Context(), location)
				if err != nil {
					b.Fatal(err)
				}
				d, err := Open(b.Context(), bucket, v1alpha1.DatasetSpec{Format: v1alpha1.FormatImageFolder}, "")
				if err != nil || d.Len() != size {
					b.Fatal(err)
				}
				list := time.Since(began)
				listed := liveHeap()
				most, paused := listed, time.Duration(0)
				began = time.Now()
				for s, err := range d.Samples(b.Context(), 0, d.Len()) {
					if err != nil || s.Err != nil {
						b.Fatal(err, s.Err)
					}
					if s.Index%(size/8) == size/16 { // what is read ahead comes to rest, so that nothing but it is live
						pause := time.Now()
						time.Sleep(time.Second)
						most = max(most, liveHeap())
						paused += time.Since(pause)
					}
				}
				read := time.Since(began) - paused
				clientList, clientRead := clientLoop(b, options, fmt.Sprint(size, "/"))
				b.ReportMetric(list.Seconds(), "list-s")
				b.ReportMetric(read.Seconds(), "read-s")
				b.ReportMetric(clientList.Seconds(), "client-list-s")
				b.ReportMetric(clientRead.Seconds(), "client-read-s")
				b.ReportMetric((clientList+clientRead).Seconds()/(list+read).Seconds(), "client/ours")
				b.ReportMetric(float64(listed-before)/(1<<20), "listed-MiB")
				b.ReportMetric(float64(most-listed)/(1<<20), "read-MiB")
				b.ReportMetric(0, "ns/op")
				if err := bucket.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func upload(b *testing.B, location string, n int) {
	b.Helper()
	bucket, err := storage.Create(b.Context(), location)
	if err != nil {
		b.Fatal(err)
	}
	image := layouts.Generate(4)[0].PNG
	var group errgroup.Group
	group.SetLimit(32)
	for i := range n {
		group.Go(func() error {
			return bucket.WriteAll(context.Background(), fmt.Sprintf("%s/%d/%06d.png", []string{"train", "test"}[i%2], i%10, i), image)
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
}

// liveHeap is what the heap holds after two collections: what became garbage during the first outlives it.
func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// clientLoop is what one writes first: pages of the listing, then each object.
func clientLoop(b *testing.B, options, prefix string) (list, read time.Duration) {
	b.Helper()
	endpoint := options[len("?region=us-east-1&use_path_style=true&endpoint="):]
	client := s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), UsePathStyle: true, HTTPClient: &http.Client{},
		Credentials: credentials.NewStaticCredentialsProvider("user", "password", ""),
	})
	began := time.Now()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: aws.String("bucket"), Prefix: aws.String(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	list = time.Since(began)
	began = time.Now()
	for _, key := range keys {
		o, err := client.GetObject(b.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String(key)})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, o.Body); err != nil {
			b.Fatal(err)
		}
		if err := o.Body.Close(); err != nil {
			b.Fatal(err)
		}
	}
	return list, time.Since(began)
}
