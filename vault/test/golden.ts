/**
 * Bytes and their CIDs, computed with this package's importer (ipfs-unixfs-importer 17.1.1) and found equal with Kubo
 * 0.44.0-dev: `ipfs add --cid-version 1 --raw-leaves --chunker size-1048576 --max-file-links 1024`. `seed`: see `bytesOf`.
 */
export const GOLDEN = [
  { seed: 'golden', sizeBytes: 0, cid: 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku' },
  { seed: 'golden', sizeBytes: 1, cid: 'bafkreic5lr6sbi5kxhavr4rtatpux3b33hkwyul5wpfovjiz2tifmjgxua' },
  { seed: 'golden', sizeBytes: 1_048_576, cid: 'bafkreicu3v2q72if6odl2weht3425iv4geoihu56lnoch4a5v34ybhg7pa' },
  { seed: 'golden', sizeBytes: 1_048_577, cid: 'bafybeidm3delkyozhhinpf463rykzhhmkqg4whjf4wncfyhwmdd23kybje' },
  { seed: 'golden', sizeBytes: 3_145_735, cid: 'bafybeigppw4xrzyteddj6gb7bzbrwpkbquhwig2kpcqz5nmm3rnrmqs3ci' },
] as const;

/** So many MiB of zeros: one node of 1024 links, and two levels of nodes. */
export const GOLDEN_ZEROS = [
  { sizeMib: 1024, cid: 'bafybeibqawkaltgjfdebq4no6nmfcvkcw7k52xqzclkwfmrkn6oxw7srmy' },
  { sizeMib: 1025, cid: 'bafybeigt7wofv4vnxbg3titijasuw4ptg5kfztec4smsk7opdt7z6djoxq' },
] as const;
