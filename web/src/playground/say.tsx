import { Toast, Toaster, ToastTitle, useId, useToastController } from '@fluentui/react-components';
import { useCallback } from 'react';

export type Say = (text: string, intent: 'success' | 'error') => void;

/**
 * Short messages at the top of the page, where neither a chat's newest message nor the wire's newest row is: the element
 * that shows them, and the function that says one.
 */
export function useSay(): { toaster: React.ReactElement; say: Say } {
  const id = useId('toaster');
  const { dispatchToast } = useToastController(id);
  const say = useCallback<Say>(
    (text, intent) =>
      dispatchToast(
        <Toast>
          <ToastTitle>{text}</ToastTitle>
        </Toast>,
        { intent, timeout: intent === 'error' ? 8000 : 2500 },
      ),
    [dispatchToast],
  );
  return { toaster: <Toaster toasterId={id} position="top" offset={{ vertical: 8 }} />, say };
}
