package credential_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/headsup-bot/headsup/credential"
)

// newCertificate is a certificate and its key, as PEM.
func newCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a bot"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
	)
}

// TestTheEndOfACertificateIsKnown, and that of a secret is not.
func TestTheEndOfACertificateIsKnown(t *testing.T) {
	t.Parallel()
	proof, err := credential.Certificate(newCertificate(t), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		proof credential.Proof
		known bool
	}{{proof, true}, {credential.Secret("s"), false}} {
		s, err := credential.New(credential.Config{AppID: appID, Tenant: tenant, Proof: c.proof})
		if err != nil {
			t.Fatal(err)
		}
		begin, end, known := s.Ends()
		if known != c.known || known && (!begin.Before(time.Now()) || !end.After(time.Now()) || end.After(time.Now().Add(2*time.Hour))) {
			t.Errorf("%v: from %v to %v, known %v", c.proof, begin, end, known)
		}
	}
}
