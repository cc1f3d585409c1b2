/** How many random inputs a decoder is fed: few with the other tests, as many as `FUZZ_INPUTS` says otherwise. */
export function fuzzRuns(usual: number): number {
  return Number(process.env['FUZZ_INPUTS'] ?? usual)
}
