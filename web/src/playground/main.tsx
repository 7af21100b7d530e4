import './trusted'; // first: what comes after it writes nothing into the page without it

import {
  createDOMRenderer,
  FluentProvider,
  MessageBar,
  MessageBarBody,
  RendererProvider,
  Spinner,
} from '@fluentui/react-components';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, useEffect, useLayoutEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './App';
import { cssScheme, useTheme } from './look';
import { nonce } from './nonce';
import { loadWebChat, type WebChat } from './webchat';

const renderer = createDOMRenderer(document, { styleElementAttributes: { nonce } });

function Page() {
  const [webchat, setWebchat] = useState<WebChat>();
  const [problem, setProblem] = useState<string>();

  useEffect(() => {
    loadWebChat().then(setWebchat, (error: Error) => setProblem(error.message));
  }, []);

  if (problem) return <Failure>Web Chat is missing: {problem}. Reload the page to try again.</Failure>;
  if (!webchat) return <Spinner label="Loading Web Chat…" />;
  return <App webchat={webchat} />;
}

function Failure({ children }: { children: ReactNode }) {
  return (
    <MessageBar intent="error">
      <MessageBarBody>{children}</MessageBarBody>
    </MessageBar>
  );
}

const queries = new QueryClient({ defaultOptions: { queries: { retry: false, refetchOnWindowFocus: true } } });

function Themed({ children }: { children: ReactNode }) {
  const theme = useTheme();
  useLayoutEffect(() => {
    document.documentElement.style.colorScheme = cssScheme(theme);
  }, [theme]);
  return <FluentProvider theme={theme}>{children}</FluentProvider>;
}

createRoot(document.querySelector('#root')!).render(
  <RendererProvider renderer={renderer} targetDocument={document}>
    <Themed>
      <QueryClientProvider client={queries}>
        <Page />
      </QueryClientProvider>
    </Themed>
  </RendererProvider>,
);
