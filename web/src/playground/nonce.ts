// The content security policy lets in only styles that carry the nonce of this very response. The browser hides the
// attribute's value from style sheets; scripts read it as a property.
export const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';
