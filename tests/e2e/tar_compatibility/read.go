// Tells of every entry of an archive: type, mode, size, path, content or target.
package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strings"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	file, err := os.Open(os.Args[1])
	check(err)
	unzipped, err := gzip.NewReader(file)
	check(err)
	reader := tar.NewReader(unzipped)
	for {
		entry, err := reader.Next()
		if err == io.EOF {
			break
		}
		check(err)
		tell(entry, reader)
	}
	// The checksum stands at the end, and the index behind it.
	_, err = io.Copy(io.Discard, unzipped)
	check(err)
}

func tell(entry *tar.Header, reader io.Reader) {
	path := strings.TrimSuffix(entry.Name, "/")
	if path == "" || path == "." || entry.Typeflag == tar.TypeXGlobalHeader {
		return
	}
	mode := fmt.Sprintf("%o", entry.Mode&07777)
	switch entry.Typeflag {
	case tar.TypeReg:
		sum := sha256.New()
		size, err := io.Copy(sum, reader)
		check(err)
		fmt.Printf("f %s %d %x %x\n", mode, size, path, sum.Sum(nil))
	case tar.TypeDir:
		fmt.Printf("d %s - %x -\n", mode, path)
	case tar.TypeFifo:
		fmt.Printf("p %s - %x -\n", mode, path)
	case tar.TypeSymlink:
		fmt.Printf("l - - %x %x\n", path, entry.Linkname)
	case tar.TypeLink:
		fmt.Printf("h - - %x %x\n", path, entry.Linkname)
	}
}
