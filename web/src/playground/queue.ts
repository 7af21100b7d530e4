// The bot's outbox as the page sees it: asked for once a second while the page is visible.
import { useQuery } from '@tanstack/react-query';
import type { Delivery } from 'headsup-client';
import { useEffect, useState } from 'react';

import { headsup } from '../server';

export type { Delivery };

const waiting = new Set(['scheduled', 'ready', 'held', 'sending']);

/** Whether a delivery's story goes on by itself or waits for somebody. */
export function isOpen({ state }: Delivery): boolean {
  return waiting.has(state) || state === 'unknown';
}

/** The newest deliveries, of one conversation or of all. */
export function useDeliveries(conversation: string | undefined, limit: number, enabled = true): { deliveries: Delivery[]; problem?: Error } {
  const { data, error } = useQuery({
    queryKey: ['deliveries', conversation ?? '', limit],
    queryFn: async () => {
      const query = { limit, ...(conversation && { conversation }) };
      const { deliveries } = await headsup.get('/v1/deliveries', { params: { query } });
      return deliveries ?? [];
    },
    enabled,
    refetchInterval: 1000,
    placeholderData: (before) => before,
  });
  return { deliveries: data ?? [], ...(error && { problem: error }) };
}

/** What a notification says; it does not change. */
export function useNotification(id: string) {
  return useQuery({ queryKey: ['notification', id], queryFn: () => headsup.notification(id), staleTime: Infinity });
}

/** The time, a few times a second, while something counts down. */
export function useNow(ticking: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!ticking) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}

/** How long until a time, for people. */
export function until(at: string, now: number): string {
  const seconds = Math.max(0, Math.ceil((Date.parse(at) - now) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
