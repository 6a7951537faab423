// What a server and an agent written in Go make of certificates: the judge that cowhand's own judgement is held against.
//
// Reads one set-up a line as JSON from stdin and answers each with one line of JSON. Standard library only.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"os"
	"time"
)

type setUp struct {
	Host  string `json:"host"`
	Now   int64  `json:"now"`
	Chain string `json:"chain"`
	// Empty: the server's side is left out, and the certificate is only verified.
	Key string `json:"key"`
	CA  string `json:"ca"`
}

type answer struct {
	Accepts bool   `json:"accepts"`
	Why     string `json:"why"`
}

// A handshake over a pipe without a buffer would wait for ever where both sides write.
var listener net.Listener

func main() {
	var err error
	if listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		panic(err)
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	decoder := json.NewDecoder(in)
	for decoder.More() {
		var one setUp
		if err := decoder.Decode(&one); err != nil {
			panic(err)
		}
		said := answer{Accepts: true}
		if err := judge(one); err != nil {
			said = answer{Why: err.Error()}
		}
		if err := out.Encode(said); err != nil {
			panic(err)
		}
	}
}

func judge(one setUp) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(one.CA)) {
		return errors.New("agent: no root can be read")
	}
	if one.Key == "" {
		return verify(one, roots)
	}
	pair, err := tls.X509KeyPair([]byte(one.Chain), []byte(one.Key))
	if err != nil {
		return errors.New("server: " + err.Error())
	}
	return handshake(one, roots, pair)
}

func certificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, certificate)
	}
	if len(all) == 0 {
		return nil, errors.New("agent: nothing is sent")
	}
	return all, nil
}

// verify is what an agent's TLS client does with what it is sent.
func verify(one setUp, roots *x509.CertPool) error {
	chain, err := certificates([]byte(one.Chain))
	if err != nil {
		return err
	}
	sent := x509.NewCertPool()
	for _, certificate := range chain[1:] {
		sent.AddCert(certificate)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{DNSName: one.Host, Roots: roots, Intermediates: sent, CurrentTime: time.Unix(one.Now, 0)})
	return err
}

func handshake(one setUp, roots *x509.CertPool, pair tls.Certificate) error {
	go func() {
		there, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		_ = tls.Server(there, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
		_ = there.Close()
	}()
	here, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	defer here.Close()
	_ = here.SetDeadline(time.Now().Add(time.Minute))
	now := func() time.Time { return time.Unix(one.Now, 0) }
	err = tls.Client(here, &tls.Config{RootCAs: roots, ServerName: one.Host, Time: now}).Handshake()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		panic(err)
	}
	return err
}
