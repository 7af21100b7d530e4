package fakechannel

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
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

// authority signs the server's certificate. It lives in memory only.
type authority struct {
	pem         []byte
	certificate tls.Certificate
}

func newAuthority(kind Certificate) (*authority, error) {
	now := time.Now()
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("fakechannel: %w", err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake channel's authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, &rootKey.PublicKey, rootKey)
	if err != nil {
		return nil, fmt.Errorf("fakechannel: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("fakechannel: %w", err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "fake channel"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	signer, signKey := root, rootKey
	switch kind {
	case Good:
	case Expired:
		leaf.NotAfter = now.Add(-time.Minute)
	case WrongHost:
		leaf.DNSNames, leaf.IPAddresses = []string{"elsewhere.example"}, nil
	case SelfSigned:
		signer, signKey = leaf, key
	default:
		return nil, fmt.Errorf("fakechannel: there is no certificate %q", kind)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, signer, &key.PublicKey, signKey)
	if err != nil {
		return nil, fmt.Errorf("fakechannel: %w", err)
	}
	return &authority{
		pem:         pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER}),
		certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
	}, nil
}
