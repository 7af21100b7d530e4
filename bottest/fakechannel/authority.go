package fakechannel

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"sync/atomic"
	"time"
)

// Certificate is how good the server's certificate is.
type Certificate string

const (
	Good Certificate = ""
	// Expired is no longer valid, WrongHost names another host, SelfSigned comes from no authority.
	Expired    Certificate = "expired"
	WrongHost  Certificate = "wrong_host"
	SelfSigned Certificate = "self_signed"
)

// Domain is where the server's certificate is good for every host, beside this machine, for tests with name servers of
// their own: "a.fakechannel.test".
const Domain = "fakechannel.test"

// authority signs the server's certificates. It lives in memory only.
type authority struct {
	root *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
	// now is the certificate that is shown.
	now atomic.Pointer[tls.Certificate]
}

func newAuthority(kind Certificate) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("fakechannel: %w", err)
	}
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake channel's authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("fakechannel: %w", err)
	}
	a := &authority{root: root, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
	return a, a.show(kind)
}

// show has new connections see a new certificate of a kind.
func (a *authority) show(kind Certificate) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("fakechannel: %w", err)
	}
	now := time.Now()
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "fake channel"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost", "*." + Domain}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	signer, signKey := a.root, a.key
	switch kind {
	case Good:
	case Expired:
		leaf.NotAfter = now.Add(-time.Minute)
	case WrongHost:
		leaf.DNSNames, leaf.IPAddresses = []string{"elsewhere.example"}, nil
	case SelfSigned:
		signer, signKey = leaf, key
	default:
		return fmt.Errorf("fakechannel: there is no certificate %q", kind)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, signer, &key.PublicKey, signKey)
	if err != nil {
		return fmt.Errorf("fakechannel: %w", err)
	}
	a.now.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	return nil
}

// SetCertificate has connections that are made from now on see a certificate of a kind, of the same authority. It is an error
// without TLS.
func (s *Server) SetCertificate(kind Certificate) error {
	if s.authority == nil {
		return errors.New("fakechannel: SetCertificate needs TLS")
	}
	return s.authority.show(kind)
}
